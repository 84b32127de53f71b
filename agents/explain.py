"""`foreshock explain`: why an account has its score, and what is open about it, from the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pipeline.alerts.records import TIME
from pipeline.fleet.traits import OUTCOMES
from pipeline.health.dimensions import DIMENSIONS
from pipeline.health.records import PUBLISH_POINTS
from pipeline.kinds import KINDS
from pipeline.terms.money import MINOR_UNITS, money
from schemas.topics import DAY_MS
from sinks.database.account import CLOSED_DAYS, read_account

_COLOURS = {"red": "red", "yellow": "yellow", "green": "green", "grey": "bright_black"}
_SEVERITIES = {"critical": "bold red", "error": "red", "warning": "yellow", "info": "cyan"}
_BLOCKS = "▁▂▃▄▅▆▇█"
_NONE = "–"
_WORST = 5
_SPANS = {kind.dimension for kind in KINDS.values() if kind.told and kind.unit in TIME}
"""Dimensions whose figures are days without anything."""


def explain(url: str, account_id: str) -> dict[str, Any]:
    """Return what the database knows about an account, as `read_account` does.

    Raises:
        UnknownAccountError: nothing; its message names similar accounts.
        SinkUnavailableError: the database cannot be read.
    """
    return read_account(url, account_id)


def render(explanation: Mapping[str, Any]) -> RenderableType:
    """Return an explanation as it is shown to a person."""
    explanation = _printable(explanation)
    parts: list[RenderableType] = [_heading(explanation["account"])]
    if not explanation["health"]:
        parts.append(Text("Not judged yet: no day has been closed for this account.", "bright_black"))
    for health in explanation["health"]:
        rows = [row for row in explanation["history"] if row["scorecard"] == health["scorecard"]]
        outlook = health.get("outlook") if health is explanation["health"][0] else None
        parts += [
            _verdict(health, explanation["last_closed_day"]),
            _dimensions(health["dimensions"]),
            _monitorability(health),
            *(_outlook(outlook) if outlook else ()),
            _history(rows),
        ]
    parts += [_family(rolled_up) for rolled_up in explanation["family"]]
    parts += [_case(case) for case in explanation["open_cases"]]
    alerts = explanation["open_alerts"]
    parts.append(Text(f"{len(alerts)} open alert{'' if len(alerts) == 1 else 's'}", "bold"))
    parts += [_alert(alert) for alert in alerts]
    closed = explanation["closed_alerts"]
    if closed:
        parts.append(Text(f"{len(closed)} closed in the last {CLOSED_DAYS} days", "bold"))
        parts += [_closed(alert) for alert in closed]
    return Group(*parts)


def _heading(account: Mapping[str, Any]) -> RenderableType:
    facts = {
        "owner": account["owner"],
        "segment": account["segment"],
        "life": (account["life"] or "").replace("_", " ") or None,
        "stage": _stage(account["lifecycle_stage"], account["stage_since_ms"]),
        "plan": account["plan"],
        "ARR": _money(account["arr_minor"], account["currency"]),
        "renewal": _date(account["renewal_at_ms"]),
        "parent": account["parent_account_id"],
    }
    known = ", ".join(f"{name} {value}" for name, value in facts.items() if value not in {None, _NONE})
    return Panel(Text(known or "no profile"), title=Text(account["account_id"], "bold"), title_align="left")


def _stage(name: str | None, since_ms: int | None) -> str | None:
    return name if name is None or since_ms is None else f"{name} since {_date(since_ms)}"


def _verdict(health: Mapping[str, Any], last_closed_day: int) -> RenderableType:
    band, day, since = health["band"], _day(health["day"]), ""
    if last_closed_day > health["day"]:
        since = f" (until {_day(last_closed_day)} in this band, and moved less than {PUBLISH_POINTS:.0f} points)"
    text = Text.assemble(
        ("Score ", "bold"),
        (_number(health.get("score")), "bold"),
        "  ",
        (band, _COLOURS.get(band, "")),
        _since(health["band_since"]),
        f" (before: {health['previous_band']})" if health.get("previous_band") not in {None, band} else "",
        _cap(health.get("band_reason")),
        f"  as of the close of {day}{since},",
        f" scorecard {health['scorecard']} {health['version']},",
        f" {health['coverage']:.0%} of the weight known",
    )
    if pulse := health.get("pulse"):
        reasons = ", ".join(pulse["reason_codes"])
        text.append(f"; pulse {pulse['value']:.2f} of {_date(pulse['at'])} by {pulse['author'] or 'nobody named'}")
        text.append(f" ({reasons})" if reasons else "")
    groups = ", ".join(f"{group['name']} {_number(group['score'])}" for group in health.get("groups", ()))
    if groups:
        text.append(f"; {groups}")
    if health.get("shadow"):
        text.append("; in shadow: alerts nobody", "bright_black")
    if change := health.get("config_change"):
        text.append(
            f"; version {change['from_version']} would have said {_number(change['score_before'])} on this day",
            "yellow",
        )
    if health["provisional"]:
        text.append(", provisional: less than 28 days of history", "yellow")
    if band == "grey":
        text.append("; grey means that it cannot be judged, not that it is well", "bright_black")
    return text


def _since(at_ms: int | None) -> str:
    """Since when it is in its band; an account that was never judged has been in none other."""
    return " since the beginning" if at_ms is None else f" since {_date(at_ms)}"


def _cap(reason: Mapping[str, Any] | None) -> str:
    """The open alert that bounds the band."""
    if reason is None:
        return ""
    about = f" of {reason['dimension']}" if reason["dimension"] else ""
    by_score = f"by its score it is {reason['band_by_score']}"
    return f", because the {reason['severity']} alert {reason['kind']}{about} is open ({by_score}),"


def _family(rolled_up: Mapping[str, Any]) -> RenderableType:
    """The accounts below this one by one scorecard."""
    counts = ", ".join(f"{rolled_up[band]} {band}" for band in _COLOURS if rolled_up[band])
    text = Text.assemble((f"{rolled_up['accounts']} accounts below", "bold"), f" by {rolled_up['scorecard']}: {counts}")
    text.append(f"; mean score {_number(rolled_up['mean_score'])}, worst {_number(rolled_up['worst_score'])}")
    if rolled_up["arr_weighted_score"] is not None:
        at_stake = _money(rolled_up["red_arr_minor"], rolled_up["currency"])
        text.append(f", by ARR {_number(rolled_up['arr_weighted_score'])}; {at_stake} in red")
    worst = ", ".join(f"{child['account_id']} {_number(child['score'])}" for child in rolled_up["worst"][:_WORST])
    return Text(f"{text.plain}; worst: {worst}" if worst else text.plain)


def _dimensions(dimensions: Iterable[Mapping[str, Any]]) -> RenderableType:
    table = Table("dimension", "group", "timing", box=None, pad_edge=False)
    for name in ("weight", "value 0–1", "observed", "expected", "points"):
        table.add_column(name, justify="right")
    for each in dimensions:
        value = each.get("value")
        table.add_row(
            Text(each["name"]),
            Text(each["group"]),
            _timing(each["name"]),
            str(each["weight"]),
            Text("missing", "bright_black") if value is None else f"{value:.2f}",
            _number(each.get("observed")),
            _number(each.get("expected")),
            _number(each.get("contribution")),
        )
    return table


def _timing(dimension: str) -> str:
    """Whether it is leading or lagging; those that are made by settings are of use, or totals."""
    known = DIMENSIONS.get(dimension)
    return "" if known is None else known.tags["timing"]


def _monitorability(health: Mapping[str, Any]) -> RenderableType:
    limits = health.get("monitorability") or {}
    parts = []
    for days in (7, 14, 28):
        drop = limits.get(f"min_drop_{days}d")
        parts.append(f"{_NONE if drop is None else f'{drop:.0%}'} in {days} days")
    return Text(f"Smallest drop that can be seen: {', '.join(parts)}", "bright_black")


_LAYERS = {
    "stated": "what holds of accounts in general",
    "fleet": "what holds of accounts in general, and a comparison with the fleet",
    "learned": "{outcomes} outcomes of the fleet itself, learned through {day} (version {version}), "
    "by which two quarters were foretold better than by what holds in general",
}
"""What a probability rests on."""


def _outlook(outlook: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What is to come within a quarter, one outcome a line."""
    told = "billing" if outlook["basis"] == "billing" else "use, for want of billing"
    renewal = outlook["renewal_at"]
    yield Text(f"Within 91 days, as {told} tells{'' if renewal is None else f'; renews on {_date(renewal)}'}:", "bold")
    for name in OUTCOMES:
        said = outlook[name]
        through = said["learned_through"]
        rests = _LAYERS[said["layer"]].format(**said, day=_NONE if through is None else _day(through))
        text = f"{name} {said['probability']:.1%} ({said['low']:.1%} to {said['high']:.1%})"
        text += f", because {said['because']}" if said["because"] else ""
        shadow = said["layers"].get("learned")
        text += "" if shadow is None or said["layer"] == "learned" else f"; learned, in shadow: {shadow:.1%}"
        yield Text(f"  {text}; rests on {rests}")


def _history(history: Sequence[Mapping[str, Any]]) -> RenderableType:
    if not history:
        return Text("")
    scores = [row["score"] for row in reversed(history)]
    line = "".join(_block(score) for score in scores)
    moves = [
        f"{_day(newer['day'])} {older['band']} → {newer['band']}"
        for newer, older in pairwise(history)
        if newer["band"] != older["band"]
    ]
    moved = f"  moved: {'; '.join(moves)}" if moves else ""
    return Text(f"Scores of the last 28 days {line}{moved}")


def _case(case: Mapping[str, Any]) -> RenderableType:
    """What there is to do, who does it, and what is not told beside it."""
    who = case["assignee"] or case["owner"] or "nobody"
    text = Text.assemble(
        (f"{case['subject'].capitalize()} case", "bold"),
        f" {case['status']}, priority {case['priority']}, since {_date(case['opened_at_ms'])}, {who}",
    )
    if case["snoozed_until_ms"] is not None:
        text.append(f"; snoozed until {_date(case['snoozed_until_ms'])}")
    if case["step_title"]:
        due = "was due" if case["overdue"] else "due"
        text.append(f"; next: {case['step_title']}, {due} {_date(case['step_due_at_ms'])}")
    suppressed = (case["payload"] or {}).get("suppressed", ())
    if suppressed:
        kinds = ", ".join(f"{each['kind']} ({each['by']}, since {_date(each['since'])})" for each in suppressed)
        text.append(f"; not opened beside it: {kinds}", "bright_black")
    return text


def _alert(alert: Mapping[str, Any]) -> RenderableType:
    signal, evidence, play = alert["signal"], alert["evidence"], alert["play"]
    lines = [
        Text(alert["summary"], "bold"),
        Text(
            f"{signal['metric']}: {_figures(signal)} expected, "
            f"{_date(signal['window_start'])} to {_date(signal['window_end'] - 1)}"
        ),
        Text(_sureness(evidence)),
        *_beside(alert.get("benchmark")),
        *(_moved(dimension) for dimension in alert["dimensions"]),
        *(Text(_named(one), "bright_black") for one in alert["top_contributors"]),
        Text(
            f"Next: {play['title']} ({play['id']}), due {_date(play['due_at'])}, owner {alert.get('owner') or 'nobody'}"
        ),
    ]
    title = Text.assemble(
        (alert["severity"], _SEVERITIES.get(alert["severity"], "")),
        f" {alert['kind']} {alert['status']} since {_date(alert['starts_at'])}, revision {alert['revision']}",
    )
    return Panel(Group(*lines), title=title, title_align="left")


def _closed(alert: Mapping[str, Any]) -> Text:
    span = f"{_date(alert['starts_at_ms'])} to {_date(alert['ends_at_ms'])}"
    return Text(f"{span}, {alert['severity']}, {alert['transition_reason']}: {alert['summary']}")


def _figures(signal: Mapping[str, Any]) -> str:
    """What was observed and expected, money in units of its currency."""
    if signal["unit"] == MINOR_UNITS:
        return ", ".join(money(signal[name], signal.get("currency")) for name in ("observed", "expected"))
    return f"{_number(signal['observed'])} {signal['unit']}, {_number(signal['expected'])}"


def _named(one: Mapping[str, Any]) -> str:
    """Whom or what an alert names."""
    parts = [f"  {one['kind']} {one['ref']}"]
    if one["change"] is not None:
        parts.append(f"{one['change']:+g} active days a week")
    # What earlier releases stored does not say when.
    if one.get("last_active_at") is not None:
        parts.append(f"last on {_date(one['last_active_at'])}")
    return ", ".join(parts)


def _beside(benchmark: Mapping[str, Any] | None) -> Iterable[Text]:
    """Whether it is this account alone."""
    if benchmark is None:
        return ()
    whose = f"segment {benchmark['segment']}" if benchmark["segment"] else "all accounts"
    place = benchmark["percentile"]
    own = "" if place is None else f", {_number(place)} % of them were below this one"
    change = benchmark["segment_median_change_pct"]
    return (Text(f"The week before, the median of {whose} was at {change:+g} %{own}", "bright_black"),)


def _sureness(evidence: Mapping[str, Any]) -> str:
    threshold, arl_days = evidence.get("threshold"), evidence.get("arl_days")
    parts = [f"Evidence {_number(evidence['value'])}"]
    if threshold is not None:
        parts.append(f"threshold {_number(threshold)}")
    if arl_days is not None:
        parts.append(f"one false alarm in {arl_days:,.0f} days at most")
    parts.append(f"{evidence['method']} {evidence['method_version']}")
    parts.append(f"baseline of {evidence['baseline_days']} days")
    if evidence["provisional"]:
        parts.append("provisional")
    return ", ".join(parts)


def _moved(dimension: Mapping[str, Any]) -> Text:
    change = dimension.get("change_pct")
    change_text = "" if change is None else f" ({change:+.0f} %)"
    observed, expected = (_number(dimension.get(name)) for name in ("observed", "expected"))
    figures = f"{observed} observed, {expected} expected{change_text}"
    if dimension["name"] in _SPANS:
        figures = f"none for {observed} days, usually every {expected}"
    return Text(f"  {dimension['name']} {dimension['state']}: {figures}, weight {dimension['weight']}")


def _printable(value: Any) -> Any:
    """Replace what could steer a terminal or turn text around: these strings come from outside."""
    if isinstance(value, str):
        return "".join(character if character.isprintable() else "\ufffd" for character in value)
    if isinstance(value, Mapping):
        return {name: _printable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return value


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


def _money(minor: int | None, currency: str | None) -> str:
    return _NONE if minor is None else money(minor, currency)


def _date(at_ms: int | None) -> str:
    return _NONE if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


def _day(day: int) -> str:
    return _date(day * DAY_MS)


def _block(score: float | None) -> str:
    if score is None:
        return "·"
    return _BLOCKS[min(len(_BLOCKS) - 1, int(score / 100 * len(_BLOCKS)))]
