"""Viewers learn what changed from one look at the database, however many they are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from agents.console import live
from agents.console.live import Live
from agents.console.state import console_of
from sinks.database import tables
from tests.unit.console.world import World


async def _watched(world: World, viewers: int) -> tuple[list[frozenset[str]], int]:
    watching = Live(console_of(world.app).reading)

    async def first() -> frozenset[str]:
        async for parts in watching.changes():
            if parts:
                return parts
        raise AssertionError

    tasks = [asyncio.create_task(first()) for _ in range(viewers)]
    await asyncio.sleep(0.3)
    row = {"cluster": "c", "topic": "cases", "partition": 0, "next_offset": 1}
    await asyncio.to_thread(world.run, insert(tables.sink_positions).values(**row))
    told = await asyncio.wait_for(asyncio.gather(*tasks), 20)
    looks = watching.polls
    await asyncio.to_thread(world.run, update(tables.sink_positions).values(next_offset=2))
    await asyncio.sleep(0.3)
    assert watching.polls <= looks + 1  # nobody looks any more
    return list(told), looks


def test_all_viewers_are_told_by_the_same_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.1)
    told, looks = asyncio.run(_watched(World(tmp_path), 25))
    assert told == [frozenset({"cases"})] * 25
    assert looks < 25


def test_a_quiet_connection_is_kept_alive() -> None:
    assert live.sse(frozenset()).startswith(":")
    assert live.sse(frozenset({"health", "cases"})) == "event: changed\ndata: cases health\n\n"
