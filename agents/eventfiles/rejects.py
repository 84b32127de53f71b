"""The file of rejected rows: one JSON object a line with file, row, field, reason and value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agents.eventfiles.types import Rejected

REJECTS_SUFFIX = ".rejects.jsonl"


def write_rejects(rejected: Sequence[Rejected], target: Path) -> None:
    """Write all of them, over an earlier file of that name."""
    encoder = msgspec.json.Encoder()
    target.write_bytes(encoder.encode_lines([reject._asdict() for reject in rejected]))
