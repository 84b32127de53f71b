"""Why a record of an input topic becomes a dead letter."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Every reason there is. Those of time are given by the core, all others by the decoder."""

    # of the record as a whole
    NULL_KEY = "null_key"
    NULL_VALUE = "null_value"
    OVERSIZE = "oversize"
    NOT_FRAMED = "not_framed"
    UNKNOWN_SCHEMA = "unknown_schema"
    INCOMPATIBLE_SCHEMA = "incompatible_schema"
    MALFORMED = "malformed"
    # of a field
    KEY_MISMATCH = "key_mismatch"
    INVALID_ID = "invalid_id"
    RESERVED_ID = "reserved_id"
    INVALID_TEXT = "invalid_text"
    INVALID_QUANTITY = "invalid_quantity"
    INVALID_VALUE = "invalid_value"
    INVALID_TIME = "invalid_time"
    INVALID_TYPE = "invalid_type"
    # of time
    FUTURE_DATED = "future_dated"
    TOO_LATE = "too_late"
