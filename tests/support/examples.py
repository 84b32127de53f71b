"""How many examples a property is tried with, and what the examples draw by chance."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SLOW = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)
"""Checks that whole logs of events cannot pass."""

RANDOMS = st.builds(Random, st.integers(0, 2**32 - 1))
"""Sources of many thousand decisions: as draws of their own these would not fit in an example."""


def examples(count: int) -> int:
    """So many in `make test`; FORESHOCK_TEST_EXAMPLES times as many in `make test-soak`."""
    return count * int(os.environ.get("FORESHOCK_TEST_EXAMPLES", "1"))


def tried(count: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The settings of a property of whole logs."""
    return settings(max_examples=examples(count), deadline=None, suppress_health_check=SLOW)
