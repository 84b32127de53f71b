"""Health profiles: what is expected of customers of one kind, which scorecards judge them and what alerts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipeline.books.book import Context


class Expectations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a healthy customer does; the dimensions that have no better measure compare with it."""

    seat_share: float = 0.8
    """Share of the seats in use from which seat utilisation is full."""
    touches: float = 3.0
    """Meetings of twelve weeks from which engagement is full."""
    daily_actions: float = 0.0
    """Actions a day of an account without a level of its own yet; 0 if nothing is expected."""


class HealthProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Customers of some segments, stages and touch models; a list that is empty takes all.

    The first of `scorecards` that is not in shadow is the primary one.
    """

    name: str
    scorecards: tuple[str, ...]
    segments: tuple[str, ...] = ()
    lifecycle_stages: tuple[str, ...] = ()
    touch_models: tuple[str, ...] = ()
    expects: Expectations = Expectations()
    disabled_kinds: tuple[str, ...] = ()
    """Kinds of alert that are not raised for them."""

    def matches(self, context: Context) -> bool:
        """Whether an account with this context is one of them."""
        wanted = (
            (self.segments, context.segment),
            (self.lifecycle_stages, context.lifecycle_stage),
            (self.touch_models, context.touch_model),
        )
        return all(not names or value in names for names, value in wanted)


def profile_of(profiles: Sequence[HealthProfile], context: Context) -> int:
    """Number of the first profile that matches, from 1; 0 if none does."""
    return next((number for number, profile in enumerate(profiles, 1) if profile.matches(context)), 0)
