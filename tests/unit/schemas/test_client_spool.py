"""The client's spool: in order, bounded, and whole after whatever happened to the process or the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.client.spool import Event, Spool, SpoolError

ROOM = 2**20


def event(number: int) -> Event:
    return Event("usage.events", f"acme-{number}".encode(), bytes([number % 256]) * 100)


EVENTS = [event(number) for number in range(50)]


@contextmanager
def opened(path: Path, room: int = ROOM) -> Iterator[Spool]:
    spool = Spool(path, room)
    try:
        yield spool
    finally:
        spool.close()


def test_what_was_appended_is_read_in_order_by_the_next_that_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with opened(path) as spool:
        assert all(map(spool.append, EVENTS))
        assert spool.waiting == 50
        assert spool.read()[0] == EVENTS
    assert path.stat().st_mode & 0o777 == 0o600
    with opened(path) as spool:
        assert spool.waiting == 50
        assert spool.read()[0] == EVENTS


def test_what_was_sent_is_forgotten_also_by_the_next_and_the_file_gets_small(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    record = len("usage.events") + len("acme-10") + 100 + 10
    with opened(path) as spool:
        for each in EVENTS[:10]:
            spool.append(each)
        _, middle = spool.read()
        for each in EVENTS[10:]:
            spool.append(each)
        spool.forget(10, middle)
        assert (spool.waiting, spool.read()[0]) == (40, EVENTS[10:])
    with opened(path) as spool:
        assert (spool.waiting, spool.read()[0]) == (40, EVENTS[10:])
        assert path.stat().st_size == middle + 40 * record
        spool.forget(40, spool.read()[1])
        assert (spool.waiting, spool.read()[0]) == (0, [])
        assert path.stat().st_size == 8
        assert spool.append(EVENTS[0])
    with opened(path) as spool:
        assert spool.read()[0] == EVENTS[:1]


def test_it_is_full_at_its_bound_and_gives_back_the_room_of_what_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    taken = 0
    with opened(path, 3_000) as spool:
        while spool.append(event(taken)):
            taken += 1
        assert path.stat().st_size <= 3_000
        first = [event(number) for number in range(taken)]
        ends = [8]
        for each in first:
            ends.append(ends[-1] + 10 + len(each.topic) + len(each.key) + len(each.value))
        spool.forget(taken - 3, ends[taken - 3])
        assert spool.append(event(taken))
    with opened(path, 3_000) as spool:
        assert spool.read()[0] == [*first[-3:], event(taken)]
    assert path.stat().st_size < 700


@pytest.mark.parametrize("lost", [1, 5, 60, 125])
def test_a_record_that_was_torn_is_put_aside_and_the_others_are_kept(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "spool"
    with opened(path) as spool:
        for each in EVENTS:
            spool.append(each)
    path.write_bytes(path.read_bytes()[:-lost])
    with opened(path) as spool:
        assert spool.read()[0] == EVENTS[:-1]
        assert spool.append(EVENTS[-1])
    assert (tmp_path / "spool.damaged").stat().st_size == len(EVENTS[-1].key) + 122 - lost
    with opened(path) as spool:
        assert spool.read()[0] == EVENTS


def test_a_flipped_bit_is_seen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "spool"
    with opened(path) as spool:
        for each in EVENTS:
            spool.append(each)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with opened(path) as spool:
        assert spool.read()[0] == EVENTS[:-1]
    assert "are no whole event" in caplog.text


def test_two_clients_do_not_share_one(tmp_path: Path) -> None:
    with (
        opened(tmp_path / "spool"),
        pytest.raises(SpoolError, match="give each process a file of its own"),
        opened(tmp_path / "spool"),
    ):
        pass


def test_more_than_is_read_at_once_comes_piece_by_piece(tmp_path: Path) -> None:
    large = [Event("usage.events", b"acme", bytes([number]) * 60_000) for number in range(40)]
    found = []
    with opened(tmp_path / "spool", 10 * ROOM) as spool:
        for each in large:
            spool.append(each)
    with opened(tmp_path / "spool", 10 * ROOM) as spool:
        assert spool.waiting == 40
        while spool.waiting:
            events, end = spool.read()
            found += events
            spool.forget(len(events), end)
    assert found == large
