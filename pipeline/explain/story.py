"""What a case says in a few sentences, from templates: each figure is one of the alert's or of the case's record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.kinds import KNOWN
from pipeline.terms.money import MINOR_UNITS, money

Record = Mapping[str, Any]
DateOf = Callable[[int], str]
"""Date of a time as people read it."""

MAX_SENTENCES = 5
_NAMED = 3
_YEAR_DAYS = 365


def story(lead: Record, case: Record | None, date_of: DateOf) -> tuple[str, ...]:
    """At most `MAX_SENTENCES`: what and since when, how sure, who and what else, what did not move, what to do.

    Args:
        lead: newest record of the alert that leads.
        case: newest record of the case, if there is one.
        date_of: of the business time zone.
    """
    parts = (_what(lead, date_of), sureness(lead), _moved(lead), _still(lead), _worth(lead, case or {}, date_of))
    return tuple(part for part in parts if part)[:MAX_SENTENCES]


def sureness(alert: Record) -> str:
    """How sure an alert is, in plain words."""
    evidence = alert["evidence"]
    kind = KNOWN.get(alert["kind"])
    if (arl_days := evidence.get("arl_days")) is not None:
        years = f" ({arl_days / _YEAR_DAYS:.0f} years)" if arl_days >= 2 * _YEAR_DAYS else ""
        early = "; provisional, since little of the account's past is known" if evidence["provisional"] else ""
        return f"Chance alone gives at most one such alarm in {arl_days:,.0f} days{years}{early}."
    if kind is not None and kind.evidence == "probability":
        return f"The probability is {evidence['value']:.0%}."
    if kind is not None and kind.consequence:
        return "This follows from the account's score."
    if kind is not None and kind.evidence == "fact":
        return "This is a fact that was recorded; chance plays no part."
    return ""


def moved(alert: Record, *states: str) -> list[Record]:
    """The dimensions of an alert in one of these states, without its own, the weightiest first."""
    own = alert["dimension"]
    found = [each for each in alert["dimensions"] if each["state"] in states and each["name"] != own]
    return sorted(found, key=lambda each: (-each["weight"], each["name"]))


def figure(value: float | None, unit: str, currency: str | None = None) -> str:
    """A figure with its unit."""
    if value is None:
        return "unknown"
    if unit == MINOR_UNITS:
        return money(value, currency)
    return f"{plain(value)} {unit}".strip()


def plain(value: float) -> str:
    """A number with as many decimals as it needs, two at most."""
    text = f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _what(lead: Record, date_of: DateOf) -> str:
    onset = lead.get("onset")
    since = f"since {date_of(lead['starts_at'])}"
    if onset is not None:
        since = f"since about {date_of(onset['estimate'])}"
        if onset["low"] < onset["high"]:
            since += f" (between {date_of(onset['low'])} and {date_of(onset['high'])})"
    return f"{lead['summary']}, {since}."


def _moved(lead: Record) -> str:
    who = [each["ref"] for each in lead["top_contributors"] if each["kind"] != "feature"][:_NAMED]
    what = [each["ref"] for each in lead["top_contributors"] if each["kind"] == "feature"][:_NAMED]
    less = [_changed(each) for each in moved(lead, lead["signal"]["direction"]) if _told(each)][:_NAMED]
    parts = [f"it shows most in {listed(who)}" if who else "", f"in the use of {listed(what)}" if what else ""]
    parts += [f"{listed(less)} moved the same way" if less else ""]
    told = "; ".join(part for part in parts if part)
    return f"{told[0].upper()}{told[1:]}." if told else ""


def _still(lead: Record) -> str:
    flat = [spaced(each["name"]) for each in moved(lead, "flat")][:_NAMED]
    return f"{listed(flat)[0].upper()}{listed(flat)[1:]} did not move." if flat else ""


def _worth(lead: Record, case: Record, date_of: DateOf) -> str:
    context, step = lead["context"], case.get("step") or lead["play"]
    arr_minor = case.get("arr_minor") or context.get("arr_minor")
    worth = f"{money(arr_minor, context.get('currency'))} a year" if arr_minor is not None else ""
    renewal_ms = case.get("renewal_at") or context.get("renewal_at")
    renewal = f"renewal on {date_of(renewal_ms)}" if renewal_ms is not None else ""
    stake = " with ".join(part for part in (worth, renewal) if part)
    todo = f"{step['title']} by {date_of(step['due_at'])}."
    return f"At stake: {stake}; {todo[0].lower()}{todo[1:]}" if stake else todo


def _changed(dimension: Record) -> str:
    return f"{spaced(dimension['name'])} ({dimension['change_pct']:+.0f} %)".replace("(-", "(−")


def _told(dimension: Record) -> bool:
    return dimension.get("change_pct") is not None


def spaced(name: str) -> str:
    """A name of ours as people read it."""
    return name.replace("_", " ")


def listed(words: list[str]) -> str:
    """Words as a sentence lists them."""
    return " and ".join(", ".join(words).rsplit(", ", 1)) if words else ""
