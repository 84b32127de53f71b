"""`foreshock case …`: what is to be done, and doing it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agents.cli.console import out, print_json, print_table
from agents.cli.failures import FAILED
from agents.cli.options import ConfigFile, Json, settings
from schemas.errors import UsageError

if TYPE_CHECKING:
    from agents.settings import Settings
    from agents.web.store import Store

group = typer.Typer(help="Cases: what to look at, and what was done about it.", no_args_is_help=True)

CaseId = Annotated[str, typer.Argument(help="Its id, as `foreshock case list` shows it.")]
Note = Annotated[str | None, typer.Option("--note", help="Why, for those who read it later.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the result; exit with 1 when it was refused.")]
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
_WAIT_S = 30.0
_SHOWN = ("opened", "account", "subject", "status", "severity", "priority", "responsible", "summary", "case")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="case")


@group.command("list")
def list_(
    owner: Annotated[str | None, typer.Option("--owner", help="Only of this owner, or assigned to them.")] = None,
    status: Annotated[
        Literal["open", "acknowledged", "snoozed", "closed"] | None,
        typer.Option("--status", help="Only these; else all that are not closed."),
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="risk, growth, data, fleet or feed.")] = None,
    segment: Annotated[str | None, typer.Option("--segment", help="Only of this segment.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="In account, name or summary.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Show no more than this.")] = 50,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List cases, those first that should be looked at first.

    Example: foreshock case list --owner ann@example.org --subject risk
    """
    from sinks.database.reading.cases import CaseFilters, cases_after

    wanted = CaseFilters(subject=subject, segment=segment, status=status, text=text)
    with _open(config) as (_, store), store.reading() as connection:
        found = cases_after(connection, wanted, frozenset({owner}) if owner else None, limit)
    if json:
        print_json({"cases": [{**asdict(row), "payload": dict(row.payload)} for row in found]})
        return
    rows = [
        (_date(row.opened_at_ms), row.account_name or row.account_id, row.subject, row.status, row.severity)
        for row in found
    ]
    more = [(round(row.priority), row.responsible, row.summary, row.case_id) for row in found]
    print_table(_SHOWN, [tuple(map(_printable, (*row, *rest))) for row, rest in zip(rows, more, strict=True)])


@group.command()
def show(case: CaseId, config: ConfigFile = None, json: Json = False) -> None:
    """Show a case: what happened in a few sentences, its alerts, and who did what.

    Example: foreshock case show 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11
    """
    from pipeline.explain.story import story
    from sinks.database.reading import cases

    with _open(config) as (_, store), store.reading() as connection:
        found = cases.case(connection, case, None)
    if found is None:
        raise UsageError(f"there is no case {case}")
    if json:
        print_json(asdict(found))
        return
    row = found.row
    lines = story(found.alerts[0], row.payload, lambda at_ms: _date(at_ms)[:10]) if found.alerts else (row.summary,)
    for line in (f"{row.account_name or row.account_id}: {row.status}, priority {round(row.priority)}", *lines):
        out.print(_printable(line), markup=False, highlight=False, soft_wrap=True)
    alerts = [(each["kind"], each["severity"], each["status"], each["summary"]) for each in found.alerts]
    print_table(["alert", "severity", "status", "summary"], [tuple(map(_printable, each)) for each in alerts])
    acts = [(_date(act.at_ms), act.author or "", act.action, act.note, act.result, act.reason) for act in found.history]
    print_table(["at", "who", "what", "note", "result", "reason"], [tuple(map(_printable, act)) for act in acts])


@group.command()
def ack(
    case: CaseId,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    note: Note = None,
    wait: Wait = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Acknowledge a case: you have seen it and look after it.

    Example: foreshock case ack 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11 --wait
    """
    action = "unacknowledge" if undo else "acknowledge"
    _give(config, json, wait, action=action, case_id=case, note=note)


@group.command()
def snooze(
    case: CaseId,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=_FORMATS, help="Until then, in the business time zone.")
    ] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, max=365, help="So many days from now.")] = None,
    note: Note = None,
    wait: Wait = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Let a case rest until a time; it wakes earlier when it becomes more severe.

    Example: foreshock case snooze 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11 --days 7 --note "call is on Tuesday"
    """
    if (until is None) == (days is None):
        raise UsageError("say either --until or --days")
    if until is None:
        until_ms = _now_ms() + int(timedelta(days=days or 0).total_seconds()) * 1000
    else:
        until_ms = _instant(config, until)
    _give(config, json, wait, action="snooze", case_id=case, until=until_ms, note=note)


@group.command()
def wake(case: CaseId, wait: Wait = False, config: ConfigFile = None, json: Json = False) -> None:
    """End a snooze now.

    Example: foreshock case wake 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11
    """
    _give(config, json, wait, action="wake", case_id=case)


@group.command()
def assign(
    case: CaseId,
    to: Annotated[str | None, typer.Argument(help="Who takes it; left out, it goes back to the owner.")] = None,
    note: Note = None,
    wait: Wait = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Give a case to somebody.

    Example: foreshock case assign 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11 bob@example.org
    """
    _give(config, json, wait, action="assign", case_id=case, assignee=to, note=note)


@group.command()
def comment(
    case: CaseId,
    note: Annotated[str, typer.Argument(help="What to remember.")],
    wait: Wait = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Write a comment.

    Example: foreshock case comment 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11 "new sponsor is known"
    """
    _give(config, json, wait, action="comment", case_id=case, note=note)


@group.command()
def resolve(
    case: CaseId,
    outcome: Annotated[Literal["saved", "churned", "no_action", "false_alarm"], typer.Argument(help="How it ended.")],
    note: Note = None,
    wait: Wait = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Close a case, with how it ended.

    Example: foreshock case resolve 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11 saved --note "renewed for two years"
    """
    _give(config, json, wait, action="resolve", case_id=case, outcome=outcome, note=note)


@group.command()
def reopen(
    case: CaseId,
    note: Note = None,
    wait: Wait = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Open a case again that somebody closed.

    Example: foreshock case reopen 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11
    """
    _give(config, json, wait, action="reopen", case_id=case, note=note)


@group.command()
def expected(
    case: CaseId,
    since: Annotated[datetime, typer.Option("--since", formats=_FORMATS, help="First of the days.")],
    until: Annotated[datetime, typer.Option("--until", formats=_FORMATS, help="Their end, which is not one of them.")],
    kind: Annotated[str | None, typer.Option("--kind", help="Only this kind of alert.")] = None,
    note: Note = None,
    wait: Wait = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say that what is seen was expected: these days do not count as usual, and nothing is said until they are over.

    Example: foreshock case expected 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11 --since 2026-12-20 --until 2027-01-07
    --note "plant holidays"
    """
    given = {"since": _instant(config, since), "until": _instant(config, until), "kind": kind, "note": note}
    _give(config, json, wait, action="expected", case_id=case, **given)


@group.command()
def feedback(
    case: CaseId,
    verdict: Annotated[
        Literal["useful", "false_alarm", "known", "late"], typer.Argument(help="What the alert was worth.")
    ],
    alert: Annotated[str | None, typer.Option("--alert", help="Id of the alert; else the lead of the case.")] = None,
    note: Note = None,
    wait: Wait = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say what an alert was worth; `foreshock rules list` counts it for its kind.

    Example: foreshock case feedback 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11 useful
    """
    _give(config, json, wait, action="feedback", case_id=case, verdict=verdict, alert_id=alert, note=note)


@group.command()
def step(
    case: CaseId,
    play: Annotated[str | None, typer.Argument(help="Id of the step; else the next one of the case.")] = None,
    note: Note = None,
    wait: Wait = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say that a step is done.

    Example: foreshock case step 5b0c1d3e-6c0f-5a51-9c3e-0d6f1f6b8a11
    """
    _give(config, json, wait, action="step_done", case_id=case, play_id=play, note=note)


def _give(config: Path | None, json: bool, wait: bool, **command: Any) -> None:
    """Send a command, wait for its result if asked to, and say what became of it."""
    from agents.kafka.registry import open_registry
    from agents.web.commands import CommandSender, publisher
    from agents.web.people import at_the_terminal

    with _open(config) as (chosen, store):
        sender = CommandSender(store, open_registry(chosen), publisher(chosen.kafka_client()))
        command_id = sender.send(at_the_terminal(chosen.access), command)
        found = sender.result(command_id, _WAIT_S) if wait else None
    result = None if found is None else found.result
    if json:
        reason = None if found is None else found.result_reason
        print_json({"command_id": command_id, "result": result, "reason": reason})
    elif not wait:
        out.print(f"sent: {command_id}", highlight=False)
    elif found is None or result is None:
        out.print(f"sent, and not answered within {_WAIT_S:g} s: {command_id}", highlight=False)
    else:
        because = f": {found.result_reason}" if found.result_reason else ""
        out.print(_printable(f"{result}{because}"), markup=False, highlight=False)
    if wait and result not in {"applied", "unchanged"}:
        raise typer.Exit(FAILED)


@contextmanager
def _open(config: Path | None) -> Iterator[tuple[Settings, Store]]:
    from agents.web.store import Store

    chosen = settings(config)
    with closing(Store(chosen.database_url())) as store:
        yield chosen, store


def _instant(config: Path | None, local: datetime) -> int:
    """Epoch milliseconds of a time of the business."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(settings(config).app.timezone)
    return int(local.replace(tzinfo=zone).timestamp() * 1000)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _printable(value: object) -> str:
    """A text as it may be printed: whatever a customer is called, it must not steer the terminal."""
    return "" if value is None else "".join(each if each.isprintable() else "?" for each in str(value))
