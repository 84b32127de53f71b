"""How many examples a property is tried with, and what the examples draw by chance."""

from __future__ import annotations

import os
from random import Random

from hypothesis import strategies as st

RANDOMS = st.builds(Random, st.integers(0, 2**32 - 1))
"""Sources of many thousand decisions: as draws of their own these would not fit in an example."""


def examples(count: int) -> int:
    """So many in `make test`; FORESHOCK_TEST_EXAMPLES times as many in `make test-soak`."""
    return count * int(os.environ.get("FORESHOCK_TEST_EXAMPLES", "1"))
