from __future__ import annotations

import pytest

from agents.worker.reporting import Reporter
from pipeline.books.book import Context
from pipeline.state.belonging import Belonging
from sinks.metrics import Metrics


def test_a_country_that_is_none_is_warned_of_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    belonging, metrics = Belonging(4), Metrics()
    reporter = Reporter(metrics)
    for country in ("Atlantis", "Germany", "usa", None, "", "Atlantis", "Lemuria"):
        belonging.put([1], [Context(country=country)])
        reporter.unknown_countries(belonging.unknown_countries)
    assert [record.args for record in caplog.records] == [("Atlantis",), ("Lemuria",)]
    assert metrics.registry.get_sample_value("foreshock_unknown_countries_total") == 2


def test_of_names_without_end_few_are_remembered() -> None:
    belonging = Belonging(4)
    for number in range(1_000):
        belonging.put([1], [Context(country=f"Atlantis {number}")])
    assert len(belonging.unknown_countries) == 100
