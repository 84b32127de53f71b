"""A log dealt out to several partitions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.oracle.streams import Log


def split(log: Log, partitions: int) -> list[Log]:
    """Deal the accounts of a log out to partitions; ticks and what cannot be read go to all."""
    accounts = sorted({each.event["account_id"] for records in log.values() for each in records if each.event})
    home = {account: number % partitions for number, account in enumerate(accounts)}
    logs: list[Log] = [{} for _ in range(partitions)]
    for topic, records in log.items():
        for number in range(partitions):
            mine = [each for each in records if each.event is None or home[each.event["account_id"]] == number]
            logs[number][topic] = [replace(each, offset=offset) for offset, each in enumerate(mine)]
    return logs
