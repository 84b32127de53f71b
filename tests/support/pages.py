"""What a process shows on its port."""

from __future__ import annotations

import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from tests.support.patience import patience

Series = dict[str, dict[tuple[tuple[str, str], ...], float]]


def answer(port: int, path: str) -> tuple[int, str]:
    """Status and body of a page; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=patience(5.0)) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def scrape(port: int) -> Series:
    """Everything on /metrics by name and labels; nothing while nobody listens."""
    found: Series = {}
    for family in text_string_to_metric_families(answer(port, "/metrics")[1]):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def total(series: Series, name: str, **labels: str) -> float:
    """Sum over all series with these labels."""
    wanted = set(labels.items())
    return sum(value for given, value in series.get(name, {}).items() if wanted <= set(given))
