"""Pins the source of every method of Faust and aiokafka that the transport and recovery override or rely on.

When this fails after an upgrade: read what changed, check agents/transport/transport.py, agents/transport/runs.py and
agents/worker/recovery.py against it, run the fault tests, and only then put the new fingerprint here.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.consumer.consumer import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.app.base import App
from faust.assignor.partition_assignor import PartitionAssignor
from faust.streams import Stream
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.conductor import Conductor, ConductorCompiler
from faust.transport.consumer import Consumer, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver

PINNED: dict[Callable[..., Any], str] = {
    AIOKafkaConsumer.pause: "d5fc6f4236503615",
    AIOKafkaConsumer.resume: "9301532efa154e4c",
    AIOKafkaConsumer.seek: "a9430f1f3b9ac419",
    Fetcher._create_fetch_waiter: "61d840568746477e",
    Fetcher._get_actions_per_node: "1dab2cf937d165d0",
    Fetcher._proc_fetch_request: "59bf948fff47eed5",
    Fetcher.fetched_records: "be4348896b9b66af",
    FetchResult._update_position: "83fb1473bf10027b",
    FetchResult.check_assignment: "b5340df67e3f330f",
    FetchResult.getall: "3e717e30de5068d5",
    FetchResult.has_more: "a25ee8ab93405df6",
    PartitionRecords._unpack_records: "b803e6d46480732c",
    GroupCoordinator._on_join_prepare: "4d9524afc0ee2c2f",
    App._create_directories: "a9f571c3b04abec3",
    App._on_partitions_assigned: "de932b7927db85b3",
    App._on_partitions_revoked: "d5c895bbe57dc73a",
    App._stop_consumer: "55854a5de12c3f52",
    App.on_rebalance_end: "b7ff69e1e3772f30",
    PartitionAssignor._get_copartitioned_groups: "82b7a3764ad596f6",
    Stream.noack: "921a6f5c674d32d4",
    Stream._py_aiter: "3a48ee257a65435b",
    TableManager._update_channels: "88e3941facc934d6",
    TableManager.on_rebalance: "2d2c23a07bf54328",
    TableManager.wait_until_recovery_completed: "e0f224aba177e99d",
    Recovery._resume_streams: "d986a6710c1aca98",
    Conductor.on_partitions_assigned: "616e9729131cf0bb",
    ConductorCompiler.build: "837cf521368c1ee4",
    Consumer._add_gap: "4df2573ded7c1c2c",
    Consumer._commit_offsets: "1a69799041188441",
    Consumer._drain_messages: "44a2500309e83c63",
    Consumer._filter_committable_offsets: "dc5e9baf5d994485",
    Consumer._new_offset: "1d2c7ea89a7ad4f1",
    Consumer._wait_next_records: "6218e1969a636b3f",
    Consumer.ack: "5fcf41cf45153475",
    Consumer.getmany: "4b168d84882a70d6",
    Consumer.on_partitions_revoked: "d04b7ae72c6fc206",
    Consumer.perform_seek: "0e8c130ff4b0afd8",
    ThreadDelegateConsumer._getmany: "f9d47aa9010b5ff2",
    driver.AIOKafkaConsumerThread._commit: "932852ce7a23f658",
    driver.AIOKafkaConsumerThread._create_worker_consumer: "c2701bfc3e6f6cad",
    driver.AIOKafkaConsumerThread._fetch_records: "39a2c6c79fc1455a",
    driver.AIOKafkaConsumerThread.getmany: "26fc5fc9f3b667e1",
    driver.Consumer._to_message: "7c24f6511b2fcef7",
    driver.ConsumerRebalanceListener.on_partitions_revoked: "348c3aec879faf80",
    driver.ConsumerRebalanceListener.on_partitions_assigned: "1c1f8406ad3698a6",
}


def fingerprint(method: Callable[..., Any]) -> str:
    return hashlib.sha256(inspect.getsource(method).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("method", "pinned"), PINNED.items(), ids=lambda value: getattr(value, "__qualname__", ""))
def test_a_method_that_we_rely_on_is_the_one_that_was_read(method: Callable[..., Any], pinned: str) -> None:
    assert fingerprint(method) == pinned
