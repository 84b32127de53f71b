"""Apache Kafka in KRaft mode, one JVM for each broker (broker and controller in one), on loopback.

`proxied=True` gives each broker a second listener behind a `TcpProxy`: clients that bootstrap from
`proxied_bootstrap` go through the proxies for everything, the brokers themselves never do.
"""

from __future__ import annotations

import base64
import signal
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers import locate
from tests.servers.errors import ServerStartError
from tests.servers.ports import LOOPBACK, answers, free_port
from tests.servers.process import ChildProcess, Server
from tests.servers.proxy import TcpProxy
from tests.support.patience import Patience, patience, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

QUICK_START = ("-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""JVM flags for tests: ready soonest."""
THROUGHPUT = ("-Xshare:auto", "-XX:+UseG1GC")
"""JVM flags for benchmarks: the optimising compiler stays on."""

_READY_S = 60.0
_STOP_S = 20.0
_TOPICS_S = 30.0
# A broker that was killed is let in again only when its old session has run out. Short where no other broker
# could take over anyway; Kafka's own default otherwise.
_LONE_SESSION = {"broker.heartbeat.interval.ms": 250, "broker.session.timeout.ms": 2_000}
_QUIET_CLIENT = {"log_level": 0, "log.connection.close": False}
_LOG4J = """\
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=INFO
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
"""


class _Broker:
    """One node: its ports, its files and its process."""

    def __init__(self, node: int, home: Path) -> None:
        self.node = node
        self.port = free_port()
        self.controller_port = free_port()
        self.home = home
        self.properties = home / "server.properties"
        self.proxy: TcpProxy | None = None
        self.process: ChildProcess | None = None

    def listeners(self) -> dict[str, str]:
        names = f"CLIENT://{LOOPBACK}:{self.port}"
        advertised = names
        if self.proxy is not None:
            names += f",PROXIED://{self.proxy.upstream}"
            advertised += f",PROXIED://{self.proxy.address}"
        return {
            "listeners": f"{names},CONTROLLER://{LOOPBACK}:{self.controller_port}",
            "advertised.listeners": advertised,
        }


class KafkaServer(Server):
    """A Kafka cluster of one or more brokers.

    Methods that name a `broker` take its index from 0; None means all of them. With `brokers=3` topics are
    replicated three times and one broker may be lost.
    """

    def __init__(
        self,
        partitions_default: int = 4,
        brokers: int = 1,
        extra_config: Mapping[str, str | int] | None = None,
        heap: str = "512m",
        *,
        proxied: bool = False,
        jvm_flags: Sequence[str] = QUICK_START,
    ) -> None:
        """Choose ports and write the configuration; nothing runs yet.

        Args:
            partitions_default: partitions of a topic that does not say.
            brokers: nodes, each of them broker and controller.
            extra_config: broker properties that win over the ones set here.
            heap: largest heap of each JVM.
            proxied: put a `TcpProxy` before each broker, see `proxies`.
            jvm_flags: `QUICK_START` or `THROUGHPUT`.

        Raises:
            ServerUnavailableError: Java or Kafka's jars are not installed.
        """
        java, jars = locate.java(), locate.kafka_jars()
        super().__init__("kafka")
        self._partitions_default = partitions_default
        self._extra_config = dict(extra_config or {})
        self._log4j = self.folder / "log4j2.properties"
        self._log4j.write_text(_LOG4J)
        self._java = [
            str(java),
            f"-Xmx{heap}",
            *jvm_flags,
            "-XX:-UsePerfData",
            "-Djava.net.preferIPv4Stack=true",
            f"-Djava.io.tmpdir={self.folder}",
            f"-Dlog4j2.configurationFile={self._log4j}",
            "-cp",
            f"{jars}/*",
        ]
        self._brokers = [_Broker(node, self.folder / f"broker-{node}") for node in range(1, brokers + 1)]
        if proxied:
            for broker in self._brokers:
                broker.proxy = TcpProxy(f"{LOOPBACK}:{free_port()}")
        self._formatted = False

    @property
    def bootstrap(self) -> str:
        """Bootstrap servers, straight to the brokers."""
        return ",".join(f"{LOOPBACK}:{broker.port}" for broker in self._brokers)

    @property
    def proxies(self) -> list[TcpProxy]:
        """The proxies, one for each broker; empty unless `proxied`."""
        return [broker.proxy for broker in self._brokers if broker.proxy is not None]

    @property
    def proxied_bootstrap(self) -> str:
        """Bootstrap servers, through the proxies."""
        if not self.proxies:
            msg = "this cluster was made without proxied=True"
            raise RuntimeError(msg)
        return ",".join(proxy.address for proxy in self.proxies)

    def start(self, broker: int | None = None) -> None:
        """Start, and wait until every started broker is seen in the cluster's metadata."""
        for proxy in self.proxies:
            proxy.start()
        if not self._formatted:
            self._format()
        chosen = self._chosen(broker)
        for one in chosen:
            command = [*self._java, "kafka.Kafka", str(one.properties)]
            one.process = ChildProcess(f"kafka-{one.node}", command, self.folder)
            one.process.start()
        for one in chosen:
            _process(one).wait_ready(lambda one=one: _registered(one), _READY_S)  # type: ignore[misc]

    def stop(self, broker: int | None = None) -> None:
        """End cleanly: leaders move away first where they can."""
        running = [one.process for one in self._chosen(broker) if one.process is not None and one.process.running]
        for process in running:
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        for process in running:
            process.stop(_STOP_S)

    def kill9(self, broker: int | None = None) -> None:
        """Kill without warning; clients' connections are reset."""
        for one in self._chosen(broker):
            if one.process is not None:
                one.process.kill9()

    def pause(self, broker: int | None = None) -> None:
        """Freeze: connections stay open and nothing answers."""
        for one in self._chosen(broker):
            _process(one).signal(signal.SIGSTOP)

    def resume(self, broker: int | None = None) -> None:
        """Go on after `pause`."""
        for one in self._chosen(broker):
            _process(one).signal(signal.SIGCONT)

    def close(self) -> None:
        """End brokers and proxies at once and remove the data."""
        for proxy in self.proxies:
            proxy.stop()
        super().close()

    def create_topics(
        self,
        names: Iterable[str],
        *,
        partitions: int | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Create topics, replicated as the cluster's size allows, and wait until each partition has a leader.

        Raises:
            KafkaException: a topic exists already, or its configuration is refused.
            AssertionError: a partition had no leader in time.
        """
        count = self._partitions_default if partitions is None else partitions
        admin = AdminClient({"bootstrap.servers": self.bootstrap, **_QUIET_CLIENT})
        topics = [
            NewTopic(name, num_partitions=count, replication_factor=self._replicas, config=dict(config or {}))
            for name in names
        ]
        for created in admin.create_topics(topics, operation_timeout=patience(_TOPICS_S)).values():
            created.result(patience(_TOPICS_S))
        for topic in topics:
            wait_until(partial(_has_leaders, admin, topic.topic, count), f"a leader of {topic.topic}", _TOPICS_S)

    def log_tail(self, broker: int = 0) -> str:
        """Return the end of a broker's log."""
        return _process(self._brokers[broker]).log_tail()

    @property
    def _replicas(self) -> int:
        return min(3, len(self._brokers))

    def _chosen(self, broker: int | None) -> list[_Broker]:
        return self._brokers if broker is None else [self._brokers[broker]]

    def _format(self) -> None:
        """Write each node's configuration and format its storage with Kafka's own tool."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        tools = []
        for one in self._brokers:
            one.home.mkdir()
            lines = [f"{key}={value}" for key, value in self._config(one).items()]
            one.properties.write_text("\n".join(lines) + "\n")
            arguments = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
            command = [*self._java, *arguments, f"--config={one.properties}"]
            tool = ChildProcess(f"format-{one.node}", command, self.folder)
            tool.start()
            tools.append(tool)
        limit = Patience(_READY_S)
        for tool, one in zip(tools, self._brokers, strict=True):
            while tool.running and not limit.lost():
                time.sleep(0.02)
            tool.kill9()
            if not (one.home / "data" / "meta.properties").exists():
                msg = f"kafka-{one.node}"
                raise ServerStartError(msg, "its storage could not be formatted", tool.log_tail())
        self._formatted = True

    def _config(self, broker: _Broker) -> dict[str, str | int]:
        voters = ",".join(f"{one.node}@{LOOPBACK}:{one.controller_port}" for one in self._brokers)
        protocols = "CLIENT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT"
        in_sync = max(1, self._replicas - 1)
        return {
            "process.roles": "broker,controller",
            "node.id": broker.node,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENT",
            "listener.security.protocol.map": protocols,
            **broker.listeners(),
            "log.dirs": str(broker.home / "data"),
            "num.partitions": self._partitions_default,
            "default.replication.factor": self._replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": self._replicas,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": self._replicas,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": self._replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1_000,
            "controller.quorum.election.timeout.ms": 500,
            # Compaction within seconds, so that tests can watch it.
            "log.cleaner.backoff.ms": 500,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "log.initial.task.delay.ms": 1_000,
            "log.retention.check.interval.ms": 2_000,
            "log.segment.delete.delay.ms": 1_000,
            **(_LONE_SESSION if len(self._brokers) == 1 else {}),
            **self._extra_config,
        }


def _process(broker: _Broker) -> ChildProcess:
    if broker.process is None:
        msg = f"kafka-{broker.node} was never started"
        raise RuntimeError(msg)
    return broker.process


def _registered(broker: _Broker) -> bool:
    """Say whether the broker answers, and is in the cluster's metadata as unfenced."""
    if not answers(broker.port):
        return False
    try:
        admin = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{broker.port}", **_QUIET_CLIENT})
        return broker.node in admin.list_topics(timeout=patience(1.0)).brokers
    except KafkaException:
        return False


def _has_leaders(admin: AdminClient, topic: str, partitions: int) -> bool:
    found = admin.list_topics(topic, timeout=patience(5.0)).topics[topic].partitions
    return len(found) == partitions and all(partition.leader > 0 for partition in found.values())
