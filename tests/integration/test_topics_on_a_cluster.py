"""Topics on three brokers: they are there when every broker says so."""

from __future__ import annotations

import pytest

from agents.kafka.topics import Topics, Wanted
from agents.process.exits import UnreachableError
from tests.servers.kafka import KafkaServer

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]


def test_topics_are_applied_when_all_brokers_tell_of_them() -> None:
    with KafkaServer(brokers=3, proxied=True) as kafka:
        wanted = [Wanted("events", 6, 3, {"retention.ms": "1000000"}), Wanted("state", 2, 1, {})]
        client = {"bootstrap.servers": kafka.proxies[0].address, "log_level": 0}
        topics = Topics(client, wanted, patience_s=2.0)
        kafka.proxies[2].stop()
        with pytest.raises(UnreachableError, match=f"{kafka.proxies[2].address} answered within"):
            topics.apply()
        assert topics.check() == []
        kafka.proxies[2].start()
        assert topics.apply() == []
        assert [each.topic for each in Topics(client, [Wanted("later", 3, 3, {})]).apply()] == ["later"]
