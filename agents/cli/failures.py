"""Errors that a person can do something about, as a message without a traceback."""

from __future__ import annotations

from typing import NamedTuple

from schemas.errors import BrokenError, ForeshockError, UsageError

USAGE = UsageError.exit_code
FAILED = ForeshockError.exit_code


class Failure(NamedTuple):
    """What to print and how to exit."""

    message: str
    exit_code: int


def explain_failure(error: Exception) -> Failure | None:
    """Message and exit code for an expected error; None for a fault of ours, which deserves its traceback."""
    # Imported here because this is needed only when something failed, and takes time.
    from confluent_kafka import KafkaException

    from agents.process.exits import UnreachableError
    from agents.settings import ConfigError

    match error:
        case BrokenError():
            return None
        case UnreachableError():
            return Failure(f"Kafka: {error}", error.exit_code)
        case ConfigError():
            count = len(error.problems)
            message = f"{count} problem{'s' if count > 1 else ''} with the settings:\n{error}"
            return Failure(message, error.exit_code)
        case ForeshockError():
            return Failure(str(error), error.exit_code)
        case KafkaException():
            detail = error.args[0]
            return Failure(f"Kafka: {detail.str() if hasattr(detail, 'str') else detail}", FAILED)
    return None
