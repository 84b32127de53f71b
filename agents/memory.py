"""Giving memory that was freed back to the operating system."""

from __future__ import annotations

import ctypes


def release() -> None:
    """Return free pages to the system where the allocator can; glibc alone keeps the holes between live blocks.

    Records and checkpoints are many short-lived blocks among long-lived ones, so what is kept adds up to a third of
    a busy worker.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
