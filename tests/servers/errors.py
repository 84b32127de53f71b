"""Errors of the test servers."""

from __future__ import annotations


class ServerUnavailableError(RuntimeError):
    """A server's programs are not installed on this machine."""

    def __init__(self, missing: str) -> None:
        """Name what is missing, and say how to get it."""
        super().__init__(f"{missing} is not installed: run `make servers`")


class ServerStartError(RuntimeError):
    """A server ended early or was not ready in time; carries the tail of its log."""

    def __init__(self, name: str, problem: str, log_tail: str) -> None:
        """Join the problem and the log's tail into one message."""
        super().__init__(f"{name}: {problem}; end of its log:\n{log_tail or '(empty)'}")
