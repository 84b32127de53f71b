"""What can go wrong at a destination; the class decides what happens to the batch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from schemas.errors import ForeshockError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Refusal(StrEnum):
    """Why a record can never be written."""

    BAD_RECORD = "bad_record"
    BAD_TEXT = "bad_text"
    BAD_VALUE = "bad_value"
    NUL_CHARACTER = "nul_character"
    REFUSED_BY_DATABASE = "refused_by_database"
    REFUSED_BY_DESTINATION = "refused_by_destination"


class SinkError(ForeshockError):
    """Root of the errors that a sink raises."""


class SinkUnavailableError(SinkError):
    """The destination is down, slow or not set up: keep the batch, wait `retry_after_s`, try again."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        """Say what is wrong and how long to wait before the next try."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CommitUnknownError(SinkUnavailableError):
    """The connection was lost during COMMIT: read the positions before the batch is tried again."""


class PositionConflictError(SinkError):
    """Someone else moved the position of a partition: nothing was written, read the positions again."""


class ContentRefusedError(SinkError):
    """The destination finds the content wrong: it can never be sent."""


class UnknownAccountError(SinkError):
    """The destination has nothing about this account; `near` are accounts with similar ids."""

    def __init__(self, account_id: str, near: Sequence[str]) -> None:
        """Name the account, and the ones that may have been meant."""
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        super().__init__(f"there is no account {account_id!r} in the database{hint}")
        self.near = tuple(near)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one record can never be written; `index` is its place in the batch."""

    index: int
    reason: str
    detail: str


class SinkRejectedError(SinkError):
    """The destination refuses these records for good: nothing was written, write the batch without them."""

    def __init__(self, rejections: Sequence[Rejection]) -> None:
        """Name every refused record."""
        super().__init__("; ".join(f"record {r.index}: {r.reason}: {r.detail}" for r in rejections))
        self.rejections = tuple(rejections)
