"""Is the result of a run exactly that of the oracle on the same records?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.exactness.changelog import Changelog
from tests.exactness.processes import Deployment, Process, database_alerts
from tests.exactness.story import Feeding
from tests.exactness.truth import (
    ALERT_TOPICS,
    Identity,
    Truth,
    assert_buried,
    assert_same_latest,
    assert_same_state,
    assert_same_verdicts,
    differences,
    published_alerts,
)
from tests.support.patience import wait_until
from tests.support.topics import ends, everything, reader


@contextmanager
def following(deployment: Deployment) -> Iterator[Changelog]:
    """The changelog of the deployment's workers."""
    with reader(deployment.bootstrap) as consumer:
        yield Changelog(consumer, deployment.settings.worker().changelog_topic)


def await_durable(log: Changelog, bootstrap: str) -> None:
    """Wait until the durable positions have reached the ends of all input topics."""
    with reader(bootstrap) as consumer:

        def behind() -> dict[tuple[str, int], int]:
            reached = log.positions()
            return {place: end for place, end in ends(consumer).items() if reached.get(place, 0) != end}

        wait_until(lambda: not behind(), lambda: f"{behind()}, not {log.positions()}", 120.0)


def assert_exact(deployment: Deployment) -> dict[Identity, dict[str, Any]]:
    """Nothing missing, unexpected, double or different in topics and state; the alerts."""
    engine = deployment.settings.engine()
    with following(deployment) as log:
        await_durable(log, deployment.bootstrap)
        print(f"{log.claims} claims, {log.cuts} checkpoints were cut, {log.stale(engine)} values were void")
        feeds = log.kept_feeds(engine)
    truth = Truth(deployment.oracle, deployment.bootstrap)
    assert_same_state(truth, feeds)
    assert_same_verdicts(truth, deployment.bootstrap)
    alerts = published_alerts(deployment.bootstrap)
    assert differences(truth.alerts, alerts) == []
    assert_same_latest(alerts, deployment.bootstrap)
    assert_buried(truth, deployment.bootstrap)
    return alerts


def assert_delivered(deployment: Deployment, alerts: dict[Identity, dict[str, Any]]) -> None:
    """The database gets each revision once, with the published content."""
    wait_until(lambda: len(database_alerts(deployment.database)) >= len(alerts), "the rows")
    stored = {key: json.loads(payload) for key, payload in database_alerts(deployment.database).items()}
    assert stored.keys() == alerts.keys()
    assert all(stored[key] == json.loads(json.dumps(alert)) for key, alert in alerts.items())


def repeats(deployment: Deployment) -> int:
    """Alert records that were published more than once."""
    return sum(1 for _ in everything(deployment.bootstrap, ALERT_TOPICS)) - len(published_alerts(deployment.bootstrap))


def exact_differences(expected: dict[Identity, dict[str, Any]], found: dict[Identity, dict[str, Any]]) -> list[str]:
    """Like `differences`, of whole records."""
    problems = [f"missing {expected[key]}" for key in expected.keys() - found.keys()]
    problems += [f"unexpected {found[key]}" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        ours, theirs = found[key], expected[key]
        problems += [
            f"{key} {ours['kind']} {name}: {ours.get(name)}, not {theirs.get(name)}"
            for name in ours.keys() | theirs.keys()
            if ours.get(name) != theirs.get(name)
        ]
    return problems


def by_identity(alerts: Iterable[Mapping[str, Any]]) -> dict[Identity, dict[str, Any]]:
    """Alerts by id and revision."""
    return {(alert["alert_id"], alert["revision"]): dict(alert) for alert in alerts}


def finish(deployment: Deployment, feeding: Feeding, worker: Process, deliver: Process) -> None:
    """Produce what is left; the whole is the oracle's, and both processes end in good order."""
    feeding.finish()
    alerts = assert_exact(deployment)
    assert_delivered(deployment, alerts)
    print(f"{len(alerts)} alerts; {repeats(deployment)} records of them were published again")
    assert worker.terminate() == 0
    assert deliver.terminate() == 0
