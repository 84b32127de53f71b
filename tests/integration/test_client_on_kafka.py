"""Events of the client on a real Kafka whose broker is killed under it, and the wheel that a product installs."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka
import pytest

from schemas.client import EventClient, Undelivered
from schemas.client.events import EventWriter
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS
from tests.servers.kafka import KafkaServer
from tests.support.deployment import Deployment
from tests.support.patience import finished, wait_until
from tests.support.repository import ROOT, text
from tests.support.topics import everything

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(300)]

EVENTS = 20_000
INSTALLED = Path(confluent_kafka.__file__).parents[1]
USAGE = "usage.events"


@pytest.fixture
def kafka() -> Iterator[KafkaServer]:
    """A broker that may be killed."""
    with KafkaServer(extra_config={"auto.create.topics.enable": "false"}) as server:
        yield server


def emit(client: EventClient, numbers: range) -> None:
    for number in numbers:
        client.usage(
            account_id=f"a{number % 97}", user_id=f"u{number % 13}", feature="export", event_id=f"e{number:05d}"
        )


def in_the_topic(bootstrap: str) -> Counter[str]:
    """How often each event is there, by its id."""
    writer = EventWriter("usage", FileRegistry(), None)
    return Counter(writer.read(message.value() or b"")["event_id"] for message in everything(bootstrap, [USAGE]))


def applied(deployment: Deployment) -> Counter[str]:
    return sum((Counter(feed.fates[USAGE]) for feed in deployment.feeds()), Counter())


def test_no_event_is_lost_while_the_broker_is_killed_and_the_workers_apply_each_once(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    deployment = Deployment(kafka, tmp_path)
    spool, lost = tmp_path / "events.spool", list[Undelivered]()
    url = f"kafka://{kafka.bootstrap}"
    with EventClient(url, spool=spool, delivery_s=3.0, on_undelivered=lost.append) as events:
        emit(events, range(2_500))
        assert events.flush() == 0
        emit(events, range(2_500, 5_000))
        kafka.kill9()
        emit(events, range(5_000, 12_000))
        wait_until(lambda: events.counters.spooled >= 7_000, "events to be spooled")
        kafka.start()
        emit(events, range(12_000, 15_000))
        assert events.flush(120) == 0
        assert events.counters.acknowledged == 15_000
        kafka.kill9()
        emit(events, range(15_000, EVENTS))
        waiting = events.close(0)
        assert waiting == 5_000
    assert (events.counters.sent, lost) == (EVENTS, [])
    kafka.start()
    with EventClient(url, spool=spool) as later:
        assert later.flush(120) == 0
    assert later.counters.acknowledged == waiting
    there = in_the_topic(kafka.bootstrap)
    assert there.keys() == {f"e{number:05d}" for number in range(EVENTS)}
    # Twice only what was under way when the broker died, and who knows: under the same id.
    twice = there.total() - EVENTS
    assert twice <= 7_500
    assert all(there[f"e{number:05d}"] == 1 for number in range(2_500))
    with deployment.worker() as worker:
        deployment.end(worker, when=lambda: deployment.fates(topic=USAGE) >= there.total())
    fates = applied(deployment)
    assert fates == Counter({"applied": EVENTS, "duplicate": twice})
    assert deployment.dead_letters() == {}
    print(f"{events.counters}, {twice} came twice")


def test_without_a_spool_every_event_is_acknowledged_or_reported(kafka: KafkaServer) -> None:
    kafka.create_topics(INPUT_TOPICS)
    lost = list[Undelivered]()
    url = f"kafka://{kafka.bootstrap}"
    with EventClient(url, delivery_s=2.0, when_full="drop", on_undelivered=lost.append) as events:
        emit(events, range(2_000))
        assert events.flush() == 0
        kafka.kill9()
        emit(events, range(2_000, 4_000))
        wait_until(lambda: events.counters.failed + events.counters.dropped == 2_000, "all to have failed")
        kafka.start()
        emit(events, range(4_000, 6_000))
        assert events.flush(60) == 0
    assert events.counters.acknowledged == events.counters.sent - len(lost) == 4_000
    reported = {each.fields["event_id"] for each in lost}
    there = in_the_topic(kafka.bootstrap)
    assert reported == {f"e{number:05d}" for number in range(2_000, 4_000)}
    assert all(there[f"e{number:05d}"] == 1 for number in [*range(2_000), *range(4_000, 6_000)])


EXAMPLES = [
    block
    for page in ("README.md", "schemas/README.md")
    for block in re.findall(r"^```python\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)
]


def test_the_wheel_is_all_that_a_product_installs_and_the_pages_examples_run_with_it(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    deployment = Deployment(kafka, tmp_path)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    finished([*pip, "wheel", "--no-deps", "--no-index", "-w", tmp_path, ROOT / "schemas/client"], check=True)
    [wheel] = tmp_path.glob("foreshock_client-*.whl")
    finished([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    finished([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    [packages] = tmp_path.glob("venv/lib/python*/site-packages")
    for name in ("confluent_kafka", "confluent_kafka.libs", "fastavro", "fastavro.libs"):
        if (INSTALLED / name).exists():
            (packages / name).symlink_to(INSTALLED / name)
    script = f"""
import re
import sys
from foreshock_client import EventClient
with EventClient("kafka://{kafka.bootstrap}") as events:
    events.usage(account_id="acme", user_id="u1", feature="export", event_id="from the wheel")
assert events.counters.acknowledged == 1, events.counters
print(*sorted({{name.partition(".")[0] for name in sys.modules}} - sys.stdlib_module_names))
"""
    loaded = finished([python, "-I", "-c", script], cwd=tmp_path, check=True).stdout.split()
    others = {name for name in loaded if "cython" not in name} - {"__main__", "sitecustomize"}
    assert others == {"confluent_kafka", "fastavro", "foreshock_client"}
    assert in_the_topic(kafka.bootstrap) == Counter({"from the wheel": 1})
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    for example in EXAMPLES:
        script = example.replace("localhost:9092", kafka.bootstrap)
        finished([python, "-I", "-W", "error", "-c", script], cwd=tmp_path, check=True)
    with deployment.worker() as worker:
        deployment.end(worker, when=lambda: deployment.fates(fate="applied") >= 1 + len(EXAMPLES) + 5)
    assert deployment.dead_letters() == {}
