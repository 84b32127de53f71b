"""Hypothesis strategies for scorecards and health profiles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.oracle.score import DIMENSIONS, NESTED

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from tests.oracle.model import OracleConfig

_RULES: tuple[dict[str, float], ...] = (
    {},
    {"hold_days": 1, "min_coverage": 0.0},
    {"hold_days": 1, "min_coverage": 0.1, "cap": False},
    {"hold_days": 2, "min_coverage": 0.2, "red_below": 20, "red_until": 20, "green_until": 80, "green_from": 90},
)


@st.composite
def _card(draw: DrawFn, name: str, nested: tuple[str, ...]) -> dict[str, Any]:
    known = [*sorted(DIMENSIONS), *(NESTED + each for each in nested), *(NESTED + each for each in nested)]
    criteria = draw(st.dictionaries(st.sampled_from(known), st.integers(1, 5), min_size=1, max_size=5))
    rule, version = draw(st.sampled_from(_RULES)), draw(st.integers(1, 3))
    return {"id": name, "version": version, "criteria": criteria, "bands": rule, "shadow": draw(st.booleans())}


@st.composite
def scored(draw: DrawFn, config: OracleConfig) -> OracleConfig:
    """The settings with other scorecards: `outer` may nest `inner`; `default` as it is, or as configured."""
    cards = [draw(_card("inner", ())), draw(_card("outer", ("inner",)))]
    if draw(st.booleans()):
        cards.append(draw(_card("default", ())) | {"shadow": False})
    cards.append(draw(_card("referenceability", ())) | {"shadow": False})
    choices = [("default",), ("default", "outer"), ("inner", "default", "outer"), ("outer", "default")]
    chosen = st.sampled_from([*choices, ("default", "referenceability")])
    profile = st.fixed_dictionaries(
        {
            "scorecards": chosen,
            "segments": st.sampled_from([(), ("smb",), ("smb", "large")]),
            "lifecycle_stages": st.sampled_from([(), ("onboarding",)]),
            "disabled_kinds": st.sampled_from([(), (), ("payment_failed", "silence", "health_changed")]),
            "expects": st.sampled_from([{}, {"seat_share": 0.5, "touches": 1.0}, {"daily_actions": 2.5}]),
        }
    )
    return replace(
        config,
        cards=tuple(cards),
        health_cards=draw(chosen),
        shadow_kinds=draw(st.sampled_from([(), ("payment_failed", "renewal_at_risk")])),
        profiles=tuple(draw(st.lists(profile, max_size=2))),
    )
