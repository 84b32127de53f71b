"""How many examples a property is tried with."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """So many in `make test`; FORESHOCK_TEST_EXAMPLES times as many in `make test-soak`."""
    return count * int(os.environ.get("FORESHOCK_TEST_EXAMPLES", "1"))
