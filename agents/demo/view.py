"""What a person sees of the demo: progress while it runs, tables at its end."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agents.demo.run import Progress
from pipeline.scoring.labels import FLEET, LABEL_RULES

_PLAIN_EVERY_S = 3.0
_ALERTS_PER_KIND = 4
_UNMATCHED = 12
_FATES = ("applied", "late_applied", "duplicate", "too_late", "dead_lettered")
_STYLE = {"critical": "bold red", "error": "red", "warning": "yellow", "info": "cyan"}
_BANDS = {"green": "green", "yellow": "yellow", "red": "red", "grey": "bright_black"}


class ProgressView:
    """Shows progress in place on a terminal, elsewhere as a line every few seconds; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, refresh_per_second=5) if console.is_terminal else None
        self._stage = ""
        self._printed_s = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Show nothing any more."""
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Show the newest state."""
        if self._live is not None:
            self._live.update(_panel(progress))
            return
        now_s = time.monotonic()
        if progress.stage != self._stage or now_s - self._printed_s >= _PLAIN_EVERY_S:
            self._stage, self._printed_s = progress.stage, now_s
            self._console.print(_line(progress), highlight=False, soft_wrap=True)


def _line(progress: Progress) -> str:
    if not progress.events_total:
        return progress.stage
    parts = [
        f"{progress.stage}: {progress.events:,} of {progress.events_total:,} events",
        f"{_rate(progress):,} records/s",
        f"watermark {_date(progress.watermark_ms)}",
        f"accounts {_counts(progress.bands)}",
        f"alerts {_counts(progress.alerts)}",
    ]
    return "; ".join(parts)


def _panel(progress: Progress) -> RenderableType:
    if not progress.events_total:
        return Text(f"{progress.stage} …")
    grid = Table.grid(padding=(0, 2))
    grid.add_row("", ProgressBar(total=progress.events_total, completed=progress.events, width=60))
    grid.add_row("events", f"{progress.events:,} of {progress.events_total:,}")
    grid.add_row("rate", f"{_rate(progress):,} records/s applied")
    grid.add_row("watermark", _date(progress.watermark_ms))
    bands = Text("  ").join(Text(f"{name} {n}", _BANDS[name]) for name, n in progress.bands.items())
    grid.add_row("accounts", bands)
    grid.add_row("alerts", _counts(progress.alerts))
    return Group(Text(progress.stage, "bold"), grid)


def _rate(progress: Progress) -> int:
    return round(progress.records / progress.elapsed_s) if progress.elapsed_s else 0


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none yet"


def _date(at_ms: int | None) -> str:
    return "not yet" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def render(result: Mapping[str, Any]) -> RenderableType:
    """The end of the demo as a person reads it.

    `result` is that of `demo_result.result_of`.
    """
    incidents = result["incidents"]
    return Group(
        _alerts(result["alerts"]),
        Text(),
        _incidents(incidents, result["alerts"]),
        Text(),
        _unmatched(incidents),
        Text(),
        _records(result),
        Text(),
        _next_steps(result),
    )


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)


def _alerts(alerts: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = _table("Alerts", "detected", "account", "severity", "status", "what")
    shown = [alert for alert in alerts if not is_quiet(alert)]
    hidden = len(alerts) - len(shown)
    for kind, group in groupby(shown, key=lambda alert: alert["kind"]):
        of_kind = list(group)
        for alert in of_kind[:_ALERTS_PER_KIND]:
            table.add_row(
                _date(alert["detected_at"]),
                Text(alert["account_id"]),
                Text(alert["severity"], _STYLE[alert["severity"]]),
                alert["status"],
                Text(alert["summary"]),
            )
        if len(of_kind) > _ALERTS_PER_KIND:
            table.add_row("", "", "", "", Text(f"and {len(of_kind) - _ALERTS_PER_KIND} more of {kind}", "dim"))
    note = [Text(f"{hidden} informational ones about health are not shown", "dim")] if hidden else []
    return Group(table, *note)


def is_quiet(alert: Mapping[str, Any]) -> bool:
    """Whether an alert only informs about health; of expansion, informing is all there is."""
    return bool(alert["severity"] == "info" and alert["family"] == "risk")


def _incidents(incidents: Mapping[str, Any], alerts: Iterable[Mapping[str, Any]]) -> RenderableType:
    detected = {alert["alert_id"]: alert["detected_at"] for alert in alerts}
    title = f"Incidents that were put into the stream: {incidents['found']} of {incidents['total']} found"
    table = _table(title, "incident", "account", "began", "found", "after", "by")
    kinds = list(LABEL_RULES)
    for finding in sorted(incidents["findings"], key=lambda one: (kinds.index(one["kind"]), one["at"])):
        at_ms = detected.get(finding["alert_id"])
        delay = finding["delay_days"]
        table.add_row(
            finding["kind"],
            Text(finding["account_id"]),
            _date(finding["at"]),
            _date(at_ms) if finding["found"] else Text("missed", "red"),
            "" if delay is None else f"{delay:.1f} days",
            finding["alert_kind"] or "",
        )
    for check in incidents["quiet"]:
        count = check["unexplained_alerts"]
        verdict = "quiet, as it should be" if not count else f"{count} unexplained alerts around it"
        who = "all" if check["account_id"] == FLEET else check["account_id"]
        told = f"{check['system_alerts']} of the fleet" if check["system_alerts"] else ""
        table.add_row(check["kind"], Text(who), _date(check["at"]), verdict, "", told)
    return table


def _unmatched(incidents: Mapping[str, Any]) -> RenderableType:
    unmatched = incidents["unmatched"]
    table = _table(
        f"Alerts that match no incident: {len(unmatched)}", "detected", "account", "kind", "severity", "what"
    )
    for alert in unmatched[:_UNMATCHED]:
        table.add_row(
            _date(alert["detected_at"]),
            Text(alert["account_id"]),
            alert["kind"],
            Text(alert["severity"], _STYLE[alert["severity"]]),
            Text(alert["summary"]),
        )
    rest = [f"and {len(unmatched) - _UNMATCHED} more"] if len(unmatched) > _UNMATCHED else []
    improvements = incidents["improvements"]
    healthy = f", and {improvements} say that an account became healthy" if improvements else ""
    rest.append(f"besides, {incidents['consequences']} follow from an incident without naming it{healthy}")
    return Group(table, *(Text(line, "dim") for line in rest))


def _records(result: Mapping[str, Any]) -> RenderableType:
    title = "Records produced = sum of fates"
    columns = ("topic", "produced", *(fate.replace("_", " ") for fate in _FATES), "sum", "")
    table = _table(title, *columns)
    for column in table.columns[1:-1]:
        column.justify = "right"
    for row in result["records"]:
        figures = [f"{row[name]:,}" for name in ("produced", *_FATES, "sum")]
        verdict = Text("equal", "green") if row["accounted_for"] else Text("DIFFERENT", "bold red")
        table.add_row(row["topic"], *figures, verdict)
    speed = f"{result['elapsed_s']:.1f} s, {result['records_per_s']:,} records/s from producer to database"
    return Group(table, Text(speed, "dim"))


def _next_steps(result: Mapping[str, Any]) -> RenderableType:
    command, folder = command_name(), _near(result["folder"])
    account = example_account(result)
    lines = [
        f"The database is {_near(result['database'])} (SQLite). Go on with:",
        f"  {command} explain {account} --config {folder}/foreshock.toml" if account else "",
        f"  {command} backtest --events {folder}/events --labels {folder}/events/labels.csv --out {folder}/result",
        f"  {command} console --config {folder}/foreshock.toml     (or {command} demo --stay, in which people can act)",
        f"  {command} worker --help     (with a real Kafka; README.md tells how to go to production)",
    ]
    return Text("\n".join(line for line in lines if line))


def example_account(result: Mapping[str, Any]) -> str | None:
    """An account that is worth a look: one with an incident that was found."""
    found = [finding for finding in result["incidents"]["findings"] if finding["found"]]
    best = next((finding for finding in found if finding["kind"] == "power_user_decline"), None)
    chosen = best or next(iter(found), None) or next(iter(result["alerts"]), None)
    return None if chosen is None else str(chosen["account_id"])


def command_name() -> str:
    """How this program is to be called from here."""
    if shutil.which("foreshock"):
        return "foreshock"
    program = Path(sys.argv[0])
    return _near(program) if program.name == "foreshock" else "python -m agents"


def _near(path: str | Path) -> str:
    """A path as it may be typed from here."""
    here, there = Path.cwd(), Path(path).absolute()
    return str(there.relative_to(here)) if there.is_relative_to(here) else str(there)
