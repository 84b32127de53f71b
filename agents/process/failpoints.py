"""Named places at which a fault test makes the process die or freeze.

`FORESHOCK_FAILPOINT=name:nth[:kill|stop]` ends (SIGKILL, the default) or freezes (SIGSTOP) the process when
the named place is reached for the nth time. Without the variable a place costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

from schemas.errors import UsageError

NAMES: Final = (
    "after_fetch",
    "after_decode",
    "after_step",
    "before_alert_send",
    "after_alert_send_unacked",
    "after_alert_ack",
    "after_state_send_unacked",
    "after_state_ack",
    "before_fleet_send",
    "after_fleet_send_unacked",
    "after_fleet_read",
    "after_ack_before_commit",
    "after_commit",
    "sink_in_txn",
    "sink_after_commit",
    "notify_taken",
    "notify_sent",
)

VARIABLE: Final = "FORESHOCK_FAILPOINT"
_SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class FailpointError(UsageError):
    """The variable does not name a failpoint."""


@dataclass(slots=True)
class _Armed:
    name: str
    remaining: int
    signal: signal.Signals


_lock = Lock()
_armed: list[_Armed] = []


def arm(specification: str | None) -> None:
    """Arm the failpoint `name:nth[:kill|stop]`, or disarm with None. Raises FailpointError."""
    _armed.clear()
    if not specification:
        return
    name, _, rest = specification.partition(":")
    nth, _, action = rest.partition(":")
    action = action or "kill"
    if name not in NAMES or not nth.isdigit() or int(nth) < 1 or action not in _SIGNALS:
        raise FailpointError(
            f"{VARIABLE}={specification!r}: expected name:nth[:kill|stop] with name one of {', '.join(NAMES)}"
        )
    _armed.append(_Armed(name, int(nth), _SIGNALS[action]))


def arm_from(environment: Mapping[str, str]) -> None:
    """Arm what the environment asks for. Raises FailpointError."""
    arm(environment.get(VARIABLE))


def hit(name: str) -> None:
    """Mark that the named place was reached; may not return."""
    for armed in _armed:
        if armed.name == name:
            with _lock:
                armed.remaining -= 1
                due = armed.remaining == 0
            if due:
                os.kill(os.getpid(), armed.signal)


arm_from(os.environ)
