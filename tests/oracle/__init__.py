"""The rules of pipeline/SEMANTICS.md once more, one event at a time."""

from tests.oracle.model import (
    BILLING,
    PROFILES,
    SIGNALS,
    TICKETS,
    TOPICS,
    USAGE,
    Account,
    HealthDay,
    OracleConfig,
    Record,
)
from tests.oracle.oracle import Oracle

__all__ = [
    "BILLING",
    "PROFILES",
    "SIGNALS",
    "TICKETS",
    "TOPICS",
    "USAGE",
    "Account",
    "HealthDay",
    "Oracle",
    "OracleConfig",
    "Record",
]
