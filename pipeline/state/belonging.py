"""Where each account belongs: its segment, country, parent and lifecycle stage, as of its context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.books.book import Context
from pipeline.terms.arrays import I32, I64, U64
from pipeline.terms.calendar import country_code
from pipeline.terms.hashing import hash_text

_MAX_UNKNOWN = 100
_COLUMNS = ("segment", "country", "parent", "stage", "stage_since_ms")


class Names:
    """Numbers given to names as they are met; 0 stands for no name."""

    def __init__(self) -> None:
        self.names: list[str | None] = [None]
        self._numbers: dict[str | None, int] = {None: 0}

    def __len__(self) -> int:
        return len(self.names)

    def number(self, name: str | None) -> int:
        """The name's number."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number


class Belonging:
    """One column entry per account row; never stored."""

    def __init__(self, capacity: int) -> None:
        self.segments = Names()
        self.countries = Names()
        self.unknown_countries: set[str] = set()
        """Names of countries that are none, the first so many."""
        self.stages = Names()
        self.segment: I32 = np.zeros(capacity, dtype=np.int32)
        self.country: I32 = np.zeros(capacity, dtype=np.int32)
        self.parent: U64 = np.zeros(capacity, dtype=np.uint64)
        """Hash of the parent's id; 0 without one."""
        self.stage: I32 = np.zeros(capacity, dtype=np.int32)
        self.stage_since_ms: I64 = np.zeros(capacity, dtype=np.int64)
        """−1 where it is not known."""

    @property
    def nbytes(self) -> int:
        """Bytes held in columns."""
        return sum(int(getattr(self, name).nbytes) for name in _COLUMNS)

    def grow(self, capacity: int) -> None:
        """Make room for rows below `capacity`."""
        for name in _COLUMNS:
            old = getattr(self, name)
            column = np.zeros(capacity, dtype=old.dtype)
            column[: len(old)] = old
            setattr(self, name, column)

    def put(self, rows: Sequence[int], contexts: Sequence[Context]) -> None:
        """Take the place of some accounts from their contexts."""
        for row, context in zip(rows, contexts, strict=True):
            parent = context.parent_account_id
            self.segment[row] = self.segments.number(context.segment)
            code = country_code(context.country)
            if code is None and context.country and len(self.unknown_countries) < _MAX_UNKNOWN:
                self.unknown_countries.add(context.country)
            self.country[row] = self.countries.number(code)
            self.parent[row] = hash_text(parent) if parent else 0
            self.stage[row] = self.stages.number(context.lifecycle_stage)
            self.stage_since_ms[row] = -1 if context.stage_since_ms is None else context.stage_since_ms
