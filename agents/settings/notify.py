"""The section of the settings about telling people of cases; receivers and routes are tables of the file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.notify.clock import QUIET_HOURS, TIME_OF_DAY
from sinks.section import Section


class Notify(Section):
    """Who is told of cases, and when; receivers and routes themselves stand at the end of the file."""

    immediate: Literal["info", "warning", "error", "critical", "never"] = Field(
        "critical", description="Least severe case that is told at once; others are told in a daily digest."
    )
    quiet: Annotated[str, Field(pattern=QUIET_HOURS)] = Field(
        "", description="Hours of the owner, like 20:00-07:00, that hold back what is not critical."
    )
    digest_at: Annotated[str, Field(pattern=TIME_OF_DAY)] = Field(
        "08:00", description="When the digest is sent, in the owner's time zone."
    )
    escalate_to: str = Field("", description="Receiver that is told when a case is not acknowledged in time.")
    escalate_after_m: int = Field(
        60, ge=1, le=10_080, description="Minutes until then; after as many again, the manager's manager is told."
    )
    oldest_h: int = Field(72, ge=1, le=8_760, description="Hours after which a change is history and told to nobody.")
    retention_d: int = Field(90, ge=1, le=3_650, description="Days that messages are kept after they were sent.")
