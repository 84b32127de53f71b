"""Folders of event files in the shapes that people have: what `emit --dry-run` and `backtest` say of each.

One row is one kind of file. Its right value is what users see: every line of a reject or of a note, the events that
were applied, the accounts, the alerts, and the exit code.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.support.commands import Commands

USAGE = "account_id,feature,occurred_at"
BILLING = "account_id,type,occurred_at,currency"
TICKETS = "account_id,ticket_id,type,occurred_at,priority"
NO_TIME = "not a time: epoch milliseconds or ISO 8601"
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def csv(header: str, *rows: str, end: str = "\n") -> str:
    return "".join(f"{row}{end}" for row in (header, *rows))


def jsonl(*rows: dict[str, Any] | str) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def times(count: int, kind: pa.DataType) -> pa.Array:
    return pa.array([START] * count, pa.timestamp("us", "UTC")).cast(pa.timestamp("us")).cast(kind)


def usage_json(rest: str) -> str:
    return f'{{"account_id":"a",{rest},"occurred_at":1767225600000}}'


def invoice(account: str, type_: str, at: str, **more: Any) -> dict[str, Any]:
    number = {"invoice_id": f"in_{account}", "currency": "EUR"}
    return {"account_id": account, "type": type_, "occurred_at": f"2026-{at}T00:00:00Z", **number, **more}


def issued(account: str, amount: int) -> dict[str, Any]:
    return invoice(account, "invoice_issued", "03-01", amount_minor=amount, due_at="2026-03-31T00:00:00Z")


def subscription(account: str, name: str, type_: str, at: str, **more: Any) -> dict[str, Any]:
    return {
        "account_id": account,
        "type": f"subscription_{type_}",
        "occurred_at": at,
        "subscription_id": name,
        **{"currency": "EUR", **more},
    }


def at(hours: int) -> str:
    return f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A folder, and what is right."""

    files: dict[str, Any]
    """Texts and tables, by name."""
    said: tuple[str, ...] = ()
    """Of files and rows, on standard error."""
    applied: dict[str, int]
    """By topic; all good rows, but for duplicates."""
    duplicate: int = 0
    accounts: int = 1
    alerts: dict[str, int] = field(default_factory=dict)
    """Opened, by kind."""
    texts: tuple[str, ...] = ()
    """What the alerts say, and how they ended or did not."""

    @property
    def rejected(self) -> int:
        """Lines that name a row."""
        return sum(bool(re.match(r"[^ ]+:\d+: ", line)) and "counts once" not in line for line in self.said)


_BLOCK = "z" * 1021
_HOURS = [f"a,export,{at(3 * hour)}" for hour in range(240)]
_MONTH = [f"a,u{row % 4},export,{at(3 * row)}" for row in range(30)]
_THREE = sorted(f"{account},f,{at(25 * day)}" for account in "abc" for day in range(60))
_TICKETS = [
    f"c{number},t{number}-{ticket},{type_},{2024 + (number + ticket) % 2}-{1 + ticket:02}-{day:02},p3"
    for number in range(5)
    for ticket in range(6)
    for type_, day in (("opened", 3), ("resolved", 20))
]

CASES = {
    "a line break in quotes where a block of the reader ends": Case(
        files={
            "usage.csv": csv(
                f"{USAGE},action",
                *[f"a,f,2026-01-31,{_BLOCK[:585]}"] * 1_700,
                *(f'b,f,2026-01-31,"{"y" * number}\r\nx"' for number in range(120)),
            )
        },
        applied={"usage.events": 1_820},
        accounts=2,
    ),
    "whole numbers as ids": Case(
        files={
            "usage.parquet": pa.table(
                {"account_id": [1001, 1002], "feature": ["f"] * 2, "occurred_at": times(2, pa.timestamp("ns"))}
            ),
            "billing.parquet": pa.table(
                {
                    "account_id": [1001.0, 1002.0],
                    "type": ["invoice_paid"] * 2,
                    "occurred_at": times(2, pa.timestamp("ns")),
                    "currency": ["EUR"] * 2,
                }
            ),
            "profiles.jsonl": jsonl({"account_id": 1001.0}, {"account_id": 9007199254740992.0}),
            "signals.parquet": pa.table(
                {
                    "account_id": pa.array([12345678901234567890, 1002], pa.uint64()),
                    "type": ["nps"] * 2,
                    "score": pa.array([9, 9], pa.uint8()),
                    "occurred_at": times(2, pa.timestamp("ns")),
                }
            ),
        },
        said=("profiles.jsonl:2: account_id: not a text or an exact whole number (it is '9007199254740992.0')",),
        applied={"usage.events": 2, "billing.events": 2, "customer.signals": 2, "account.profiles": 1},
        accounts=3,
    ),
    "seconds": Case(
        files={"billing.csv": csv(f"{BILLING},due_at", "a,invoice_issued,1767225600,EUR,1769817600")},
        said=(
            "billing.csv:2: occurred_at: lies in 1970: seconds instead of milliseconds? (it is '1767225600')",
            "billing.csv:2: due_at: lies in 1970: seconds instead of milliseconds? (it is '1769817600')",
        ),
        applied={},
        accounts=0,
    ),
    "dates of a spreadsheet": Case(
        files={"usage.csv": csv(USAGE, "a,f,46023", "a,f,46023.52083")},
        said=(
            "usage.csv:2: occurred_at: lies in 1970: the serial date of a spreadsheet? (it is '46023')",
            f"usage.csv:3: occurred_at: {NO_TIME}: the serial date of a spreadsheet? (it is '46023.52083')",
        ),
        applied={},
        accounts=0,
    ),
    "days before months": Case(
        files={
            "usage.csv": csv(
                USAGE, "a,f,31/01/2026 14:05", "a,f,2026-01-31 14:05", 'a,f,"Jan 31, 2026"', "a,f,2026-01-31T14:05+01"
            )
        },
        said=(
            f"usage.csv:2: occurred_at: {NO_TIME} (it is '31/01/2026 14:05')",
            f"usage.csv:4: occurred_at: {NO_TIME} (it is 'Jan 31, 2026')",
        ),
        applied={"usage.events": 2},
    ),
    "empty rows and columns of a spreadsheet": Case(
        files={"usage.csv": csv(f"\ufeff{USAGE},,", "a,f,2026-01-31,,", ",,,,", ",,,,")},
        said=("usage.csv: 2 columns without a name are left out", "usage.csv: 2 blank rows are skipped"),
        applied={"usage.events": 1},
    ),
    "decimals": Case(
        files={
            "billing.parquet": pa.table(
                {
                    "account_id": ["a"] * 2,
                    "type": ["invoice_issued"] * 2,
                    "occurred_at": times(2, pa.timestamp("us")),
                    "currency": ["EUR"] * 2,
                    "amount_minor": pa.array([Decimal("49.90"), Decimal("49.00")], pa.decimal128(18, 2)),
                }
            )
        },
        said=("billing.parquet:1: amount_minor: not a whole number (it is '49.90')",),
        applied={"billing.events": 1},
    ),
    "columns of every kind": Case(
        files={
            "usage.parquet": pa.table(
                {
                    "account_id": pa.array(["a", "b"]).dictionary_encode(),
                    "feature": pa.array(["f", "g"], pa.large_string()),
                    "user_id": pa.array([b"u1", b"u2"]),
                    "occurred_at": times(2, pa.timestamp("ns")),
                    "duration_ms": pa.array([1_500_000_000, 2_000_000], pa.duration("ns")),
                    "role": pa.array(["admin", None], pa.string_view()),
                }
            ),
            "profiles.parquet": pa.table(
                {
                    "account_id": ["a", "c"],
                    "entitled_features": pa.array([["f"], None], pa.large_list(pa.large_string())),
                    "renewal_at": times(2, pa.date32()),
                    "seats": [10.0, float("nan")],
                }
            ),
        },
        said=("profiles.parquet:2: seats: not a whole number (it is 'nan')",),
        applied={"usage.events": 2, "account.profiles": 1},
        accounts=2,
    ),
    "JSON that says a thing twice, or says more": Case(
        files={
            "usage.jsonl": jsonl(
                usage_json('"account_id":"b","feature":"f"'),
                usage_json('"feature":"f","quantity":NaN'),
                usage_json('"feature":"f","properties":{"plan":{"id":1},"ok":true,"z":null}'),
                usage_json('"feature":"f","user_id":12345678901234567890'),
                usage_json('"feature":"f","user_id":17.0'),
                usage_json('"feature":"f","user_id":true'),
                usage_json(r'"feature":"f","account\u005fid":"b"'),
            )
        },
        said=(
            "usage.jsonl:1: row: not a JSON object: key account_id comes twice (it is "
            '\'{"account_id":"a","account_id":"b","feature":"f","occurred_at":1767225600000}\')',
            "usage.jsonl:2: row: not a JSON object: JSON is malformed: invalid character (byte 43) (it is "
            '\'{"account_id":"a","feature":"f","quantity":NaN,"occurred_at":1767225600000}\')',
            "usage.jsonl:6: user_id: not a text (it is 'true')",
            "usage.jsonl:7: row: not a JSON object: key account_id comes twice (it is "
            r"""'{"account_id":"a","feature":"f","account\\u005fid":"b","occurred_at":1767225600000}')""",
        ),
        applied={"usage.events": 3},
    ),
    "a quote that nothing closes": Case(
        files={
            "usage.csv": csv(
                USAGE, 'a,"17"" wide",2026-01-31', 'a,17" wide,2026-01-31', 'a,"open,2026-01-31', 'a,"f",2026-01-31'
            )
        },
        said=("usage.csv:4: row: a quote is not closed, or not doubled within quotes (it is 'a,\"open,2026-01-31')",),
        applied={"usage.events": 3},
    ),
    "a field of any length": Case(
        files={"usage.csv": csv(f"{USAGE},properties", f'a,f,2026-01-31,"{"z" * 140_000}"', "a,f,2026-01-31,")},
        said=("usage.csv:2: row: more than 65,536 bytes as a record",),
        applied={"usage.events": 1},
    ),
    "credit notes, nothing to pay, and refunds": Case(
        files={
            "billing.jsonl": jsonl(
                *(issued(account, amount) for account, amount in (("late", 5000), ("note", -5000), ("zero", 0))),
                issued("back", 5000),
                invoice("back", "refund_issued", "03-05", amount_minor=-5000),
                invoice("late", "invoice_paid", "04-20", amount_minor=5000),
            )
        },
        applied={"billing.events": 6},
        accounts=4,
        alerts={"invoice_overdue": 1},
        texts=("late: invoice in_late is overdue: resolved",),
    ),
    "newest first": Case(
        files={"usage.csv": csv(USAGE, *sorted(_THREE, key=lambda row: row[2:], reverse=True))},
        applied={"usage.events": 180},
        accounts=3,
    ),
    "names": Case(
        files={
            "usage.csv": csv(USAGE, "a,f,2026-01-31"),
            "usage (1).csv": csv(USAGE, "b,f,2026-01-31"),
            "usage_2026-02.csv": csv(USAGE, "c,f,2026-01-31"),
            "Billing.csv": csv(BILLING, "a,invoice_paid,2026-01-31,EUR"),
            "ticket.csv": csv(TICKETS, "a,t1,opened,2026-01-31,p3"),
            "notes.txt": "",
            "old/usage.csv": csv(USAGE, "a,f,2026-01-31"),
            "usag.csv": "",
        },
        said=(
            "notes.txt: not read: its name begins with none of usage, billing, tickets, signals, profiles, commands",
            "old: not read: its name begins with none of usage, billing, tickets, signals, profiles, commands; "
            "a folder is read where its name does, or where it is named itself",
            "usag.csv: not read: its name begins with none of usage, billing, tickets, signals, profiles, commands; "
            "did you mean usage?",
        ),
        applied={"usage.events": 3, "billing.events": 1, "ticket.events": 1},
        accounts=3,
    ),
    "a folder of parts, two rows of which are equal": Case(
        files={
            f"usage.parquet/part-{part}.snappy.parquet": pa.table(
                {"account_id": [account], "feature": ["f"], "occurred_at": times(1, pa.timestamp("us"))}
            )
            for part, account in enumerate("aba")
        }
        | {"usage.parquet/_SUCCESS": ""},
        applied={"usage.events": 3},
        accounts=2,
    ),
    "countries by name": Case(
        files={
            "profiles.csv": csv(
                "account_id,country", "a,Germany", "b,Deutschland", "c,usa", "d,Atlantis", "e,Atlantis", "f,"
            )
        },
        said=("country 'Atlantis' of 2 profiles is no country with known holidays; it is taken to have none",),
        applied={"account.profiles": 6},
        accounts=6,
    ),
    "a time that is zero": Case(
        files={"usage.csv": csv(USAGE, "a,f,0", *_HOURS)},
        said=("usage.csv:2: occurred_at: lies in 1970: 0 for no time? (it is '0')",),
        applied={"usage.events": 240},
    ),
    "a time to come": Case(
        files={"usage.csv": csv(USAGE, *_HOURS[:120], "a,f,2099-12-31T00:00:00Z", *_HOURS[120:])},
        said=("usage.csv:122: occurred_at: in the future: later than NOW (it is '2099-12-31T00:00:00Z')",),
        applied={"usage.events": 240},
    ),
    "exports that overlap": Case(
        files={
            "usage-jan.csv": csv("account_id,user_id,feature,occurred_at", *_MONTH[:20]),
            "usage-feb.csv": csv("account_id,user_id,feature,occurred_at", *_MONTH[18:]),
        },
        said=tuple(f"usage-jan.csv:{row}: event ID stands in an earlier row too and counts once" for row in (20, 21)),
        applied={"usage.events": 30},
        duplicate=2,
    ),
    "a plan changed by cancelling and starting anew": Case(
        files={
            "billing.jsonl": jsonl(
                subscription("a", "sub_1", "started", "2026-01-05T10:00:00Z", mrr_minor_after=5000),
                subscription("a", "sub_1", "cancelled", "2026-03-02T10:00:00Z", mrr_minor_before=5000),
                subscription("a", "sub_2", "started", "2026-03-02T10:00:02Z", mrr_minor_after=9000),
                invoice("z", "invoice_paid", "04-12"),
            )
        },
        applied={"billing.events": 4},
        accounts=2,
        alerts={"subscription_cancelled": 1},
        texts=("a: the subscription was cancelled: resolved",),
    ),
    "a customer who left": Case(
        files={
            "billing.jsonl": jsonl(
                subscription("a", "sub_1", "started", "2026-01-05T10:00:00Z", mrr_minor_after=5000),
                subscription("a", "sub_1", "cancelled", "2026-03-02T10:00:00Z", mrr_minor_before=5000),
                invoice("z", "invoice_paid", "09-12"),
            ),
            "profiles.jsonl": jsonl(
                {"account_id": "a", "updated_at": "2026-01-05T10:00:00Z", "status": "active", "seats": 3},
                {"account_id": "a", "updated_at": "2026-03-03T10:00:00Z", "status": "churned", "seats": 0},
            ),
            "signals.jsonl": jsonl(
                {
                    "account_id": "a",
                    "type": "milestone_planned",
                    "occurred_at": "2026-01-06T10:00:00Z",
                    "subject": "live",
                    "due_at": "2026-04-01T10:00:00Z",
                }
            ),
            "usage.csv": csv(USAGE, *(f"a,f,{at(24 * day)}" for day in range(-20, 30))),
        },
        applied={"billing.events": 3, "account.profiles": 2, "customer.signals": 1, "usage.events": 50},
        accounts=2,
        alerts={"subscription_cancelled": 1},
        texts=("a: the subscription was cancelled: resolved",),
    ),
    "two currencies": Case(
        files={
            "billing.jsonl": jsonl(
                subscription("a", "eu", "started", "2026-01-05T10:00:00Z", mrr_minor_after=100_000, currency="eur"),
                subscription("a", "jp", "started", "2026-01-05T10:00:00Z", mrr_minor_after=15_000_000, currency="JPY"),
                subscription("a", "jp", "changed", "2026-02-05T10:00:00Z", mrr_minor_after=9_000_000, currency="JPY"),
                subscription("b", "b", "started", "2026-01-05T10:00:00Z", mrr_minor_after=200_000),
                invoice("z", "invoice_paid", "02-12"),
            )
        },
        applied={"billing.events": 5},
        accounts=3,
        alerts={"subscription_downgraded": 1},
        texts=("a: recurring revenue fell from 15,000,000 JPY to 9,000,000 JPY a month: firing",),
    ),
    "tickets by customer": Case(
        files={"tickets.csv": csv(TICKETS, *_TICKETS)}, applied={"ticket.events": 60}, accounts=5
    ),
    "tickets in any order": Case(
        files={"tickets.csv": csv(TICKETS, *(_TICKETS[(7 * place) % 60] for place in range(60)))},
        applied={"ticket.events": 60},
        accounts=5,
    ),
    "tickets, some of years to come": Case(
        files={"tickets.csv": csv(TICKETS, *_TICKETS, "c1,x1,opened,2097-01-03,p3", "c9,x2,opened,2097-04-01,p1")},
        said=tuple(
            f"tickets.csv:{row}: occurred_at: in the future: later than NOW (it is '2097-{day}')"
            for row, day in ((62, "01-03"), (63, "04-01"))
        ),
        applied={"ticket.events": 60},
        accounts=5,
    ),
}


def write(folder: Path, files: dict[str, Any]) -> None:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(exist_ok=True, parents=True)
        if isinstance(content, pa.Table):
            pyarrow.parquet.write_table(content, target)
        else:
            target.write_bytes(content.encode())


def plain(line: str) -> str:
    """Without what no run shares with another."""
    return re.sub(r"event [0-9a-f]{24}", "event ID", re.sub(r"later than \S+", "later than NOW", line))


@pytest.mark.parametrize("name", CASES)
def test_a_folder_means_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    case, folder, out, foreshock = CASES[name], tmp_path / "in", tmp_path / "out", Commands(monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    write(folder, case.files)
    ran = foreshock("emit", folder, "--dry-run", "--json")
    lines = [plain(line) for line in ran.err.splitlines()]
    assert ran.exit_code == (2 if case.rejected else 0)
    assert lines[: len(case.said)] == list(case.said)
    assert len(lines) == len(case.said) + 2 * bool(case.rejected)
    files = json.loads(ran.out)["files"]
    assert sum(one["good"] for one in files) == sum(case.applied.values()) + case.duplicate
    assert sum(one["duplicates"] for one in files) == case.duplicate

    assert foreshock("backtest", "--events", folder, "--out", out).exit_code == ran.exit_code
    assert foreshock("backtest", "--events", folder, "--out", out, "--skip-bad").exit_code == 0
    report = json.loads((out / "report.json").read_bytes())
    alerts = [json.loads(line) for line in (out / "alerts.jsonl").read_bytes().splitlines()]
    fates = {topic: row["fates"] | {"applied": row["fates"]["applied"] - row["ticks"]} for topic, row in
             report["input"]["topics"].items()}  # fmt: skip
    assert {topic: row["applied"] for topic, row in fates.items() if row["applied"]} == case.applied
    assert sum(sum(row.values()) for row in fates.values()) == sum(case.applied.values()) + case.duplicate
    assert report["accounts"]["total"] == case.accounts
    assert report["alerts"]["by_kind"] == case.alerts
    last = {each["alert_id"]: f"{each['summary']}: {each['status']}" for each in alerts}
    assert tuple(last.values()) == case.texts
