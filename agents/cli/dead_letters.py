"""`foreshock dead-letters list|replay`."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.console import err, out, print_json, print_table
from agents.cli.options import ConfigFile, Json, settings
from schemas.errors import UsageError

if TYPE_CHECKING:
    from agents.replay.dead_letters import Filter, Quarantined

group = typer.Typer(help="Records that could not be applied.", no_args_is_help=True)

Topic = Annotated[str | None, typer.Option(help="Only from this topic.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason.")]
Since = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only records that arrived since then (UTC)."),
]
Places = Annotated[
    list[str] | None,
    typer.Option("--at", metavar="PARTITION/OFFSET", help="Only this one; may be given several times."),
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="dead-letters")


@group.command("list")
def list_(
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    at: Places = None,
    limit: Annotated[int, typer.Option(min=1, help="Show no more than this.")] = 50,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List dead letters: where each came from and why, with a count by reason.

    Example: foreshock dead-letters list --reason malformed --limit 5
    """
    from agents.kafka.registry import open_registry
    from agents.replay import dead_letters

    chosen = settings(config)
    letters = dead_letters.read(chosen.kafka_client(), open_registry(chosen), _filter(topic, reason, since, at))
    shown = list(islice(letters, limit))
    counts = Counter((found.letter.topic, found.letter.reason) for found in shown)
    rest = Counter((found.letter.topic, found.letter.reason) for found in letters)
    counts.update(rest)
    if json:
        print_json({"total": counts.total(), "dead_letters": [_record(found) for found in shown]})
        return
    if not shown:
        out.print("there are no such dead letters")
        return
    rows = [_row(found) for found in shown]
    print_table(["at", "from", "arrived", "reason", "detail", "key"], rows)
    if rest:
        out.print(f"and {rest.total()} more", highlight=False)
    print_table(["topic", "reason", "dead letters"], [(*key, count) for key, count in counts.most_common()])


@group.command()
def replay(
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    at: Places = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only say what would be done.")] = False,
    config: ConfigFile = None,
) -> None:
    """Put dead letters back into their topics with their original bytes, once their cause is mended.

    Those that were put back before are left out.

    Example: foreshock dead-letters replay --reason unknown_schema --yes
    """
    from agents.kafka.registry import open_registry
    from agents.replay import dead_letters

    chosen = settings(config)
    if not any((topic, reason, since, at)):
        message = "say which: --topic, --reason, --since or --at"
        raise UsageError(message)
    client, replayed = chosen.kafka_client(), Counter[str]()
    letters = dead_letters.outstanding(
        client, open_registry(chosen), _filter(topic, reason, since, at), lambda found: replayed.update([found.place])
    )
    if yes:
        out.print(f"{dead_letters.replay(client, letters)} records put back", highlight=False)
    else:
        counts = Counter((found.letter.topic, found.letter.reason) for found in letters)
        if counts:
            print_table(["topic", "reason", "would be put back"], [(*key, n) for key, n in counts.items()])
            err.print("nothing was done; add --yes to do it")
        else:
            out.print("there are no such dead letters")
    if replayed:
        err.print(f"{replayed.total()} were put back before and are left out", highlight=False)


def _filter(topic: str | None, reason: str | None, since: datetime | None, at: list[str] | None) -> Filter:
    from agents.replay.dead_letters import Filter

    since_ms = None if since is None else int(since.replace(tzinfo=UTC).timestamp()) * 1000
    return Filter(topic, reason, since_ms, frozenset(at) if at else None)


def _row(found: Quarantined) -> tuple[str, ...]:
    letter = found.letter
    arrived = datetime.fromtimestamp(letter.seen_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    source = f"{letter.topic}[{letter.partition}]@{letter.offset}"
    return found.place, source, arrived, letter.reason, letter.detail, _text(letter.key)


def _record(found: Quarantined) -> dict[str, Any]:
    letter = found.letter
    return {
        "at": found.place,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "seen_at": letter.seen_at_ms,
        "reason": letter.reason,
        "detail": letter.detail,
        "key": None if letter.key is None else letter.key.hex(),
        "value": None if letter.value is None else letter.value.hex(),
    }


def _text(key: bytes | None) -> str:
    """A key as it may be printed: whatever a producer sent, it must not steer the terminal."""
    return "(none)" if key is None else ascii(key.decode("utf-8", "replace"))[1:-1]
