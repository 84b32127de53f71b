"""Errors that a person can do something about, as a message without a traceback."""

from __future__ import annotations

from typing import NamedTuple

USAGE = 2
FAILED = 1


class UsageError(Exception):
    """Something that was given on the command line cannot be used; exit code 2."""


class Failure(NamedTuple):
    """What to print and how to exit."""

    message: str
    exit_code: int


def explain_failure(error: Exception) -> Failure | None:
    """Message and exit code for an expected error; None for a fault of ours, which deserves its traceback."""
    from agents.eventfiles.files import EventFileError
    from agents.settings import ConfigError

    match error:
        case EventFileError():
            return Failure("\n".join(error.problems), USAGE)
        case ConfigError():
            count = len(error.problems)
            return Failure(f"{count} problem{'s' if count > 1 else ''} with the settings:\n{error}", USAGE)
        case UsageError():
            return Failure(str(error), USAGE)
    return _from_servers(error)


def _from_servers(error: Exception) -> Failure | None:
    # Imported here because this is needed only when something failed, and takes time.
    from confluent_kafka import KafkaException

    from agents.process.exits import ExitCode, RefusedError, UnreachableError
    from agents.replay.dead_letters import ReplayError
    from agents.replay.emit import EmitError
    from agents.replay.pace import StuckError
    from schemas.errors import SchemaError
    from sinks.errors import SinkError

    match error:
        case KafkaException():
            detail = error.args[0]
            return Failure(f"Kafka: {detail.str() if hasattr(detail, 'str') else detail}", FAILED)
        case RefusedError():
            return Failure(str(error), ExitCode.REFUSED)
        case UnreachableError():
            return Failure(f"Kafka: {error}", ExitCode.UNREACHABLE)
        case SchemaError() | SinkError() | EmitError() | StuckError() | ReplayError():
            return Failure(str(error), FAILED)
    return None
