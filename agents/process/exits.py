"""Exit codes of the long-running processes, and the one way to stop without acknowledging anything."""

from __future__ import annotations

import logging
import os
import sys
from enum import IntEnum
from typing import NoReturn

from schemas.errors import BrokenError, ForeshockError

logger = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """What a supervisor is told; all but OK and REFUSED are worth a restart."""

    OK = 0
    UNREACHABLE = 69
    """No broker answered at the start."""
    BROKEN = 70
    """An invariant failed or something unexpected was raised; nothing unfinished was acknowledged."""
    DEAD_LETTERS = 74
    """This release cannot read a topic as the one before: stopped instead of draining it into the dead letters."""
    LEASE_LOST = 75
    """The process was away for too long; another worker may own its partitions."""
    REFUSED = 78
    """The topics do not fit the state or the configuration, or the state this release; a person must decide."""


class RefusedError(ForeshockError):
    """The worker must not start on these topics; the message says what to do."""

    exit_code = ExitCode.REFUSED


class UnreachableError(ForeshockError):
    """No broker answers; the message says why."""

    exit_code = ExitCode.UNREACHABLE


class DeadLetterLimitError(ForeshockError):
    """No record of a topic could be read, as an earlier release did, and many were dead-lettered."""

    exit_code = ExitCode.DEAD_LETTERS


class InvariantError(BrokenError):
    """Something that delivery guarantees rest on does not hold."""


def code_of(error: BaseException) -> ExitCode:
    """The exit code of a long-running process that an error ends: whatever it has none for is a fault."""
    code = error.exit_code if isinstance(error, ForeshockError) else None
    return code if isinstance(code, ExitCode) else ExitCode.BROKEN


def abandon(error: BaseException) -> NoReturn:
    """Log the error and end the process at once: no acknowledgement, no commit, no clean-up."""
    code = code_of(error)
    traceback = error if code is ExitCode.BROKEN else None
    logger.critical("stopping with exit code %d: %s", code, error, exc_info=traceback)
    leave(code)


def leave(code: ExitCode) -> NoReturn:
    """End the process at once with what was logged so far written out."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
