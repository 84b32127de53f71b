"""`foreshock simulate` and `foreshock emit`: event files out of a simulation, and into Kafka."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agents.cli.console import err, out, print_json, print_table, progress
from agents.cli.failures import USAGE
from agents.cli.inputs import counted, days_of, files_document, read_files, show_files, warn_of_files
from agents.cli.options import ConfigFile, EventFolder, Json, TimeUnit, UtcOffset, settings
from schemas.errors import UsageError

if TYPE_CHECKING:
    from agents.eventfiles.files import EventFiles
    from agents.replay.emit import Emitted
    from agents.settings import Settings

_SHOWN_REJECTS = 20
_ASK_S = 30.0
Format = Literal["parquet", "csv", "jsonl"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(simulate)
    app.command()(emit)


def simulate(
    to: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stream.")] = 7,
    accounts: Annotated[int, typer.Option(min=1, help="Customers.")] = 200,
    days: Annotated[int, typer.Option(min=1, help="Length of the stream.")] = 120,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.", show_default="2026-01-05")
    ] = datetime(2026, 1, 5),  # noqa: DTZ001 - a date, which has no time zone
    incidents: Annotated[int, typer.Option(min=0, help="Accounts with an incident of each kind.")] = 4,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only incidents of this kind; may be repeated. By default all kinds.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Kind of the files.")] = "parquet",
    json: Json = False,
) -> None:
    """Write a made-up stream of events with labelled incidents (labels.csv).

    Example: foreshock simulate --seed 7 --accounts 200 --days 120 --out sample
    """
    from agents.eventfiles.files import write_events
    from pipeline.simulate import ALL_KINDS, SimulationSettings
    from pipeline.simulate import simulate as draw

    try:
        wanted = SimulationSettings(
            seed=seed,
            accounts=accounts,
            days=days,
            start_date=start.date(),
            incidents_per_kind=incidents,
            kinds=tuple(kind) if kind else ALL_KINDS,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    with err.status(f"drawing {accounts} accounts over {days} days"):
        stream = draw(wanted)
    with err.status(f"writing {to}"):
        files = write_events(stream, to, form)
    rows = {name: getattr(stream, name).num_rows for name in ("usage", "billing", "tickets", "signals", "profiles")}
    if json:
        print_json({"files": files, "rows": rows, "labels": stream.labels.num_rows})
        return
    print_table(["events", "rows"], rows.items())
    out.print(f"{stream.labels.num_rows} labelled incidents; {len(files)} files in {to}", highlight=False)
    out.print(f"next: foreshock backtest --events {to} --labels {to}/labels.csv --out result", highlight=False)


def emit(
    events: EventFolder,
    config: ConfigFile = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Produce the good rows although some are bad.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the files and produce nothing.")] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where bad rows are listed; by default NAME.rejects.jsonl here."),
    ] = None,
    ticks: Annotated[
        bool, typer.Option(help="Also close each day in every topic, so that quiet topics hold nothing up.")
    ] = True,
    max_lag: Annotated[
        int | None,
        typer.Option(min=1, help="Wait while the workers are more records than this behind in a partition."),
    ] = None,
    time_unit: TimeUnit = "ms",
    utc_offset: UtcOffset = "+00:00",
    json: Json = False,
) -> None:
    """Check event files and produce them into the input topics.

    Rows may stand in any order: they are produced by event time, or by a column arrived_at if there is one.
    Every bad row is listed with file, row and field; then nothing is produced and the exit code is 2,
    unless --skip-bad is given.

    Example: foreshock emit sample --max-lag 20000
    """
    from agents.replay.emit import Emitted

    chosen = settings(config)
    files = read_files(events, chosen, time_unit, utc_offset)
    warn_of_files(files)
    if not json:
        show_files(files, chosen.engine(), "produce")
    stop = _report_rejects(events, rejects, files, ignore=skip_bad)
    emitted = Emitted() if stop or dry_run else _produce(chosen, files, with_ticks=ticks, max_lag=max_lag)
    if json:
        print_json(
            {
                "events": emitted.events,
                "ticks": emitted.ticks,
                "bytes": emitted.size_bytes,
                "by_topic": emitted.by_topic,
                "rejects": len(files.rejected),
                "files": files_document(files),
                "days": days_of(files, chosen.engine()),
            }
        )
    if stop:
        raise typer.Exit(USAGE)
    if json:
        return
    if dry_run:
        out.print(
            f"{counted(files.rows, 'good row')}, {counted(len(files.rejected), 'reject')}, nothing produced",
            highlight=False,
        )
        return
    print_table(["topic", "records"], emitted.by_topic.items())
    out.print(f"{emitted.events} events and {emitted.ticks} ticks acknowledged", highlight=False)


def _report_rejects(events: Path, to: Path | None, files: EventFiles, *, ignore: bool) -> bool:
    """Write all rejects to a file and show the first ones; whether that is where the command must end."""
    from agents.eventfiles.rejects import write_rejects

    if not files.rejected:
        return False
    target = to or Path(f"{events.resolve().name}.rejects.jsonl")
    write_rejects(files.rejected, target)
    for reject in files.rejected[:_SHOWN_REJECTS]:
        err.print(str(reject), markup=False, highlight=False, soft_wrap=True)
    more = len(files.rejected) - _SHOWN_REJECTS
    others = f"and {more} more; " if more > 0 else ""
    err.print(f"{others}{counted(len(files.rejected), 'reject')} in {target}", markup=False, highlight=False)
    if not ignore:
        err.print("nothing was produced; mend the rows, or leave them out with --skip-bad", markup=False)
    return not ignore


def _produce(chosen: Settings, files: EventFiles, *, with_ticks: bool, max_lag: int | None) -> Emitted:
    from agents.kafka.brokers import topics_of
    from agents.kafka.registry import open_registry
    from agents.replay.arrivals import day_ends
    from agents.replay.emit import EmitOptions, emit
    from agents.replay.pace import Pace

    client = chosen.kafka_client()
    topics_of(client, _ASK_S)
    pace = None if max_lag is None else Pace(client, chosen.app.group, max_records=max_lag)
    with progress() as bar:
        task = bar.add_task("producing", total=files.rows)
        try:
            return emit(
                files,
                client,
                open_registry(chosen),
                EmitOptions(day_ends(chosen.engine()), with_ticks=with_ticks),
                pace=pace,
                on_step=lambda emitted: bar.update(task, completed=emitted.events),
            )
        finally:
            if pace is not None:
                pace.close()
