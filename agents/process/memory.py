"""Memory of a long-running process: the collector's walks, and giving back what was freed."""

from __future__ import annotations

import ctypes
import gc


def calm_collector() -> None:
    """Keep the garbage collector from walking all that is there again for every few thousand records read."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def release() -> None:
    """Return free pages to the system where the allocator can; glibc alone keeps the holes between live blocks.

    Records and checkpoints are many short-lived blocks among long-lived ones, so what is kept adds up to a third of
    a busy worker.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
