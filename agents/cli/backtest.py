"""`foreshock backtest`: history through the same core, in this process."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.console import err, out, print_json, print_table, progress
from agents.cli.failures import FAILED, USAGE
from agents.cli.inputs import counted, files_document, read_files, show_files, warn_of_files
from agents.cli.options import ConfigFile, Json, TimeUnit, UtcOffset, settings
from schemas.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agents.backtest.compare import Side
    from agents.backtest.run import Replayed
    from agents.eventfiles.files import EventFiles
    from pipeline.config import EngineConfig
    from pipeline.scoring.labels import Label

_SHOWN_REJECTS = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(backtest)


def backtest(
    events: Annotated[
        Path,
        typer.Option("--events", metavar="DIR", help="Event files: a folder, or one file."),
    ],
    to: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for what was found.")],
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="What is known to have happened: account_id,kind,at."),
    ] = None,
    partitions: Annotated[
        int, typer.Option(min=1, max=1024, help="Feeds to share the accounts; the result is the same.")
    ] = 1,
    recall_target: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of churned accounts to be warned of 30 days before.")
    ] = 0.5,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without the bad rows.")] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", metavar="A.toml B.toml", help="Say what settings B would change, instead."),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option("--gate", metavar="NAME=LIMIT", help="With --compare: what may change at most, else exit code 1."),
    ] = None,
    time_unit: TimeUnit = "ms",
    utc_offset: UtcOffset = "+00:00",
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Replay event files through the detectors at full speed: alerts.jsonl, cases.jsonl, a report, portfolio.json.

    With --labels the report says which were found, how soon, and which alerts nothing explains. Labels of
    churned, contracted and expanded accounts are scored: recall and precision by lead time, against chance, over time.
    Rows may stand in any order: they are replayed by event time, or by a column arrived_at if there is one.
    Bad rows are listed in rejects.jsonl; unless --skip-bad is given, nothing is replayed then (exit code 2).

    Example: foreshock backtest --events sample --labels sample/labels.csv --out result

    With --compare, two settings files are replayed: compare.json and compare.html say which alerts and cases the second
    would gain, lose and move, by account, kind and day, and with --labels what that costs. --gate may be repeated:
    gained, lost, moved, cases_gained, cases_lost; with labels recall_lost (a share), labels_missed, unexplained and
    false_alarms (of outcomes) as a rise.

    Example: foreshock backtest --events sample --labels sample/labels.csv --out result --compare a.toml b.toml
    --gate lost=5 --gate recall_lost=0.02
    """
    from agents.backtest.compare import gates_of
    from agents.backtest.html import render
    from agents.backtest.report import report, summary_of, write_lines
    from agents.eventfiles.files import read_labels
    from agents.portfolio import portfolio_of, write_portfolio

    if (gate and compare is None) or (compare is not None and config is not None):
        message = "--gate goes with --compare, which names its settings files itself"
        raise UsageError(message)
    limits = gates_of(gate or ())
    chosen = settings(config if compare is None else compare[0])
    engine = chosen.engine()
    files = read_files(events, chosen, time_unit, utc_offset)
    known = read_labels(labels) if labels is not None else None
    to.mkdir(parents=True, exist_ok=True)
    warn_of_files(files)
    if not json:
        show_files(files, engine, "replay")
    if _report_rejects(files, to / "rejects.jsonl", ignore=skip_bad):
        if json:
            print_json({"files": files_document(files)})
        raise typer.Exit(USAGE)
    if compare is not None:
        sides = [_side(path, files, partitions, known, recall_target) for path in compare]
        _compare(sides, known, limits, to, title=events.resolve().name, json=json)
        return
    replayed = _replay(files, engine, partitions)
    replayed, outcomes = _score(files, replayed, engine, known or [], recall_target)
    document = report(files, replayed, engine, version=version("foreshock"), labels=known, outcomes=outcomes)
    write_lines(replayed.alerts, to / "alerts.jsonl")
    write_lines(replayed.cases, to / "cases.jsonl")
    _write_json(document, to / "report.json")
    page = render(document, replayed.alerts, title=events.resolve().name)
    (to / "report.html").write_text(page, encoding="utf-8")
    with err.status("computing portfolio figures"):
        write_portfolio(portfolio_of(files, engine.timezone, bands=replayed.band_of, tests=engine.test_accounts), to)
    if json:
        print_json({**summary_of(document), "files": files_document(files)})
    else:
        _show(document, to)


def _side(path: Path, files: EventFiles, partitions: int, labels: Sequence[Label] | None, recall_target: float) -> Side:
    from agents.backtest.compare import Side

    engine = settings(path).engine()
    replayed = _replay(files, engine, partitions)
    _, outcomes = _score(files, replayed, engine, labels or [], recall_target)
    return Side(str(path), engine.config_hash, replayed.alerts, replayed.cases, outcomes)


def _compare(
    sides: Sequence[Side],
    labels: Sequence[Label] | None,
    limits: Mapping[str, float],
    to: Path,
    *,
    title: str,
    json: bool,
) -> None:
    """Write what is different and show it. Raises typer.Exit if a limit is not kept."""
    from agents.backtest.compare import compare, held_against
    from agents.backtest.html import render_comparison

    found = compare(*sides, version=version("foreshock"), labels=labels)
    found["gates"] = held_against(found, limits)
    _write_json(found, to / "compare.json")
    (to / "compare.html").write_text(render_comparison(found, title=title), encoding="utf-8")
    if json:
        print_json(found)
    else:
        _show_comparison(found, to)
    if not all(each["ok"] for each in found["gates"]):
        raise typer.Exit(FAILED)


def _show_comparison(found: dict[str, Any], to: Path) -> None:
    columns = ("kind", "before", "after", "gained", "lost", "moved")
    for what in ("alerts", "cases"):
        total = {name: found[what][name] for name in ("before", "after")}
        total |= {name: len(found[what][name]) for name in columns[3:]}
        rows = [*found[what]["by_kind"], {"kind": "all", **total}]
        print_table([what, *columns[1:]], [[row[column] for column in columns] for row in rows])
    if (labels := found["labels"]) is not None:
        rows = [("labels found", *labels["found"]), ("alerts without a label", *labels["unexplained"])]
        outcomes = found["outcomes"]
        if outcomes is not None:
            recalls = outcomes["recall"].items()
            rows += [(f"losses foreseen {days} days before", *map(_share, recall)) for days, recall in recalls]
            rows.append(("false risk warnings", *outcomes["false_alarms"]))
        print_table(["", "before", "after"], rows)
    for each in found["gates"]:
        kept = "kept" if each["ok"] else "broken"
        out.print(f"gate {each['gate']}: {each['value']:g}, at most {each['limit']:g}: {kept}", highlight=False)
    out.print(f"compare.json and compare.html are in {to}", highlight=False, soft_wrap=True)


def _replay(files: EventFiles, engine: EngineConfig, partitions: int) -> Replayed:
    from agents.backtest.run import replay
    from agents.process import memory

    memory.calm_collector()
    with progress() as bar:
        task = bar.add_task("replaying", total=files.rows)
        return replay(files, engine, partitions=partitions, on_window=lambda window: bar.advance(task, window.events))


def _score(
    files: EventFiles, replayed: Replayed, engine: EngineConfig, labels: Sequence[Label], recall_target: float
) -> tuple[Replayed, dict[str, Any] | None]:
    """What the alerts are worth against outcomes among the labels, and the alerts that this adds."""
    from agents.backtest.outcomes import outcome_report, outcomes_of, score_outcomes, with_staleness
    from pipeline.scoring.protocol import Protocol
    from pipeline.scoring.scored import STEPS

    outcomes = outcomes_of(labels, files)
    if not outcomes:
        return replayed, None
    with progress() as bar:
        task = bar.add_task("scoring", total=len(STEPS))
        protocol = Protocol(recall_target=recall_target)
        scored = score_outcomes(
            outcomes, files, replayed.alerts, protocol, lambda _step: bar.advance(task), replayed.foretold
        )
    alerts = tuple(with_staleness(replayed.alerts, scored, engine))
    return replace(replayed, alerts=alerts), outcome_report(scored, outcomes, replayed.alerts, files)


def _report_rejects(files: EventFiles, target: Path, *, ignore: bool) -> bool:
    """Write all rejects to a file and show the first; whether that is where the command must end."""
    from agents.eventfiles.rejects import write_rejects

    target.unlink(missing_ok=True)
    if not files.rejected:
        return False
    write_rejects(files.rejected, target)
    for reject in files.rejected[:_SHOWN_REJECTS]:
        err.print(str(reject), markup=False, highlight=False, soft_wrap=True)
    if len(files.rejected) > _SHOWN_REJECTS:
        err.print(f"and {len(files.rejected) - _SHOWN_REJECTS} more", highlight=False)
    rows = len({(reject.file, reject.row) for reject in files.rejected if reject.row})
    err.print(f"{rows} of {files.rows_read} rows are bad; all are in {target}", markup=False, highlight=False)
    if not ignore:
        err.print("nothing was replayed; mend the rows, or leave them out with --skip-bad", markup=False)
    return not ignore


def _write_json(document: dict[str, Any], target: Path) -> None:
    import msgspec

    target.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def _show(document: dict[str, Any], to: Path) -> None:
    found, alerts, speed = document["input"], document["alerts"], document["speed"]
    out.print(
        f"{counted(found['events'], 'event')} of {counted(document['accounts']['total'], 'account')}, "
        f"{counted(found['days_closed'], 'day')} in {speed['elapsed_s']:.1f} s ({speed['events_per_s']:,} events/s)",
        highlight=False,
    )
    for letter in found["dead_letters"]:
        out.print(
            f"not applied: {letter['records']:,} records of {letter['topic']}: {letter['reason']}",
            highlight=False,
        )
    enabled = ", ".join(f"{count} {level}" for level, count in document["kinds_enabled"].items())
    out.print(f"kinds enabled: {enabled}", highlight=False)
    print_table(["alerts", "opened"], alerts["by_kind"].items())
    if alerts["shadow"]["total"]:
        print_table(["in shadow", "opened"], alerts["shadow"]["by_kind"].items())
    cases = document["cases"]
    out.print(
        f"{counted(cases['total'], 'case')}: {cases['open_accounts']} accounts have one open at the end, "
        f"{cases['overdue']} steps are overdue",
        highlight=False,
    )
    told = document["notifications"]["per_owner_week"]
    out.print(
        f"notifications per owner and week: {told['alerts_at_once']} of alerts at once, "
        f"{told['cases_and_digests']} of cases and digests",
        highlight=False,
    )
    labels = document["labels"]
    if labels is not None:
        rows = [
            (kind, row["labels"], row["found"], row["missed"], row["median_delay_days"])
            for kind, row in labels["by_kind"].items()
        ]
        print_table(["label", "total", "found", "missed", "median delay (days)"], rows)
        out.print(f"{len(labels['unmatched'])} alerts that no label explains", highlight=False)
    if document["outcomes"] is not None:
        _show_outcomes(document["outcomes"])
    if document["feedback"]:
        columns = ("n", "useful_rate", "false_alarm_rate", "known_rate", "late_rate")
        said = document["feedback"].items()
        rows = [(kind, of["n"], *(_share(of[name]) for name in columns[1:])) for kind, of in said]
        print_table(["feedback", *(name.removesuffix("_rate").replace("_", " ") for name in columns)], rows)
    out.print(
        f"alerts.jsonl, cases.jsonl, report.json, report.html and portfolio.json are in {to}",
        highlight=False,
        soft_wrap=True,
    )


def _show_outcomes(outcomes: dict[str, Any]) -> None:
    rows = [
        (
            row["lead_days"],
            f"{row['foreseen']} of {row['outcomes']}",
            _share(row["recall"]),
            _share(row["recall_by_worth"]),
            _share(row["random_recall"]),
            _share(row["precision"]),
        )
        for row in outcomes["leads"]
    ]
    columns = ["days before a loss", "foreseen", "recall", "by revenue", "at random", "precision"]
    print_table(columns, rows)
    for what, name in (("a loss", "kinds"), ("an expansion", "up_kinds")):
        followed = [
            (row["kind"], row["alerts"], _share(row["precision"]), row["median_lead_days"]) for row in outcomes[name]
        ]
        if followed:
            print_table(["alerts", "opened", f"followed by {what}", "median lead (days)"], followed)
    foretold = [
        (each["outcome"], layer["layer"], layer["snapshots"], layer["happened"], _share(layer["mean"]),
         _share(layer["auc"]), _plain(layer["log_loss"]), _plain(layer["log_loss_of_base"]))
        for each in outcomes["outlook"]
        for layer in each["layers"]
    ]  # fmt: skip
    if foretold:
        names = ["outlook", "layer", "snapshots", "happened", "foretold", "AUC", "log loss", "of the base rate"]
        print_table(names, foretold)
    down = outcomes["down"]
    out.print(
        f"{down['false_alarms']} false of {down['alerts']} risk warnings: "
        f"{_plain(down['false_alarms_per_account_quarter'])} per account and quarter",
        highlight=False,
    )
    for stale in outcomes["stale"]:
        recalls = " and ".join(map(_share, stale["recalls"]))
        out.print(f"scorecard stale: churn recall {recalls}, target {_share(stale['target'])}", highlight=False)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
