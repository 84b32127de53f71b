"""Files in the shapes that people really have: the right value, or a line that names file, row and field."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.eventfiles.convert import TIME, convert
from agents.eventfiles.files import EventFileError, EventFiles, TimesAs, read_events
from tests.support.examples import tried

AT_MS = 1_767_225_600_000
"""2026-01-01."""
USAGE = "account_id,feature,occurred_at"
BILLING = "account_id,type,currency,occurred_at"
BLOCK_BYTES = 1 << 20
"""Of a file are read at a time, unless told otherwise."""
NOT_A_TIME = "not a time: epoch milliseconds or ISO 8601"
SHAPE = "a quote is not closed, or not doubled within quotes"


def read(folder: Path, files: dict[str, str | bytes | pa.Table], **how: Any) -> EventFiles:
    """What is read of files with these contents."""
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        if isinstance(content, pa.Table):
            pyarrow.parquet.write_table(content, target)
        else:
            target.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_events(folder, **how)


def usage(**columns: Any) -> pa.Table:
    rows = len(next(iter(columns.values())))
    given = {"account_id": ["a"] * rows, "feature": ["f"] * rows, "occurred_at": [AT_MS] * rows}
    return pa.table({**given, **columns})


def rejects(files: EventFiles) -> list[str]:
    return [str(each) for each in files.rejected]


@pytest.mark.parametrize(
    ("lines", "accounts", "rejected"),
    [
        ('a,f,2026-01-01\nb,"g,2026-01-01\nc,h,2026-01-01\nd,"ok",2026-01-01\n', "acd", [f"3: row: {SHAPE}"]),
        ('a,f,2026-01-01\nb,g,2026-01-01\nc,"h,2026-01-01\n', "ab", [f"4: row: {SHAPE}"]),
        ('"a,f,2026-01-01\n"b,f,2026-01-01\nc,f,2026-01-01\n', "c", [f"2: row: {SHAPE}", f"3: row: {SHAPE}"]),
        ('a,"say "x"",2026-01-01\nb,17" monitor,2026-01-01\n', "ab", []),
        ('a,"f\n2",2026-01-01\nb,f\nc,f,2026-01-01\n', "ac", ["4: row: 2 fields instead of 3"]),
        ("a,f,2026-01-01,,\n,,\n,,,,\n\nb,f,2026-01-01\n", "ab", []),
        ("a,f,2026-01-01,x\nb,f,2026-01-01\n", "b", ["2: row: 4 fields instead of 3"]),
    ],
)
def test_a_broken_line_costs_no_other(tmp_path: Path, lines: str, accounts: str, rejected: list[str]) -> None:
    files = read(tmp_path, {"usage.csv": f"{USAGE}\n{lines}"})
    assert "".join(files.usage["account_id"].to_pylist()) == accounts
    assert [each.partition(" (it is")[0] for each in rejects(files)] == [f"usage.csv:{each}" for each in rejected]


def test_quotes_that_are_not_doubled_are_those_of_the_text(tmp_path: Path) -> None:
    files = read(tmp_path, {"usage.csv": f'{USAGE}\na,"say "x"",2026-01-01\na,17" wide,2026-01-01\n'})
    assert files.usage["feature"].to_pylist() == ['say "x"', '17" wide']


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quote", ['"f"', "f"])
def test_lines_end_as_they_do_anywhere(tmp_path: Path, end: str, quote: str) -> None:
    text = end.join([USAGE, f"a,{quote},2026-01-01", f"b,{quote},never", f"c,{quote},2026-01-01", ""])
    files = read(tmp_path, {"usage.csv": text})
    assert files.usage["account_id"].to_pylist() == ["a", "c"]
    assert rejects(files) == [f"usage.csv:3: occurred_at: {NOT_A_TIME} (it is 'never')"]


@pytest.mark.parametrize("short", range(-2, 3))
def test_a_line_break_in_quotes_is_whole_wherever_it_lies(tmp_path: Path, short: int) -> None:
    head, row, begin = f"{USAGE},action\n", f"a,f,2026-01-01,{'z' * 585}\n", 'a,f,2026-01-01,"'
    count, left = divmod(BLOCK_BYTES - short - len(head) - len(begin), len(row))
    files = read(tmp_path, {"usage.csv": f'{head}{row * count}{begin}{"y" * left}\r\nx"\n'})
    assert files.rejected == ()
    assert files.usage["action"].to_pylist()[-1] == f"{'y' * left}\r\nx"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("1767225600", "lies in 1970: seconds instead of milliseconds?"),
        ("1767225600.5", f"{NOT_A_TIME}: seconds instead of milliseconds?"),
        ("1767225600000000", "not between the years 2000 and 9999: microseconds instead of milliseconds?"),
        ("1767225600000000000", "not between the years 2000 and 9999: nanoseconds instead of milliseconds?"),
        ("46023", "lies in 1970: the serial date of a spreadsheet?"),
        ("46023.52083", f"{NOT_A_TIME}: the serial date of a spreadsheet?"),
        ("20260131", "lies in 1970: yyyymmdd as a number?"),
        ("0", "lies in 1970: 0 for no time?"),
        ("1999-12-31T23:59:59Z", "lies in 1999"),
        ("0001-01-01T00:00:00Z", "not between the years 2000 and 9999"),
        ("2026-01-31T14:05:00Z", "in the future: later than 2026-01-02T00:00:00Z"),
        ("9999-12-31", "in the future: later than 2026-01-02T00:00:00Z: 9999 for never?"),
        ("31/01/2026 14:05", NOT_A_TIME),
        ("NULL", "missing"),
    ],
)
def test_a_time_that_cannot_be_is_rejected_with_its_likely_cause(tmp_path: Path, written: str, reason: str) -> None:
    text = f"{USAGE}\na,f,2026-01-01\na,f,{written}\n"
    files = read(tmp_path, {"usage.csv": text}, latest_ms=AT_MS + 86_400_000)
    assert rejects(files) == [f"usage.csv:3: occurred_at: {reason} (it is {written!r})"]
    assert files.usage["occurred_at"].to_pylist() == [AT_MS]


@pytest.mark.parametrize(
    ("written", "how", "late_ms"),
    [
        ("1767225600", TimesAs("s"), 0),
        ("1767225600.5", TimesAs("s"), 500),
        ("1767225600123456", TimesAs("us"), 123),
        ("2026-01-01T00:00:00Z", TimesAs("s", 7_200_000), 0),
        ("2026-01-01T02:00:00", TimesAs("ms", 7_200_000), 0),
        ("2026-01-01", TimesAs("ms", -3_600_000), 3_600_000),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_times_are_read_as_the_file_writes_them(
    tmp_path: Path, written: str, how: TimesAs, late_ms: int, *, beside: bool
) -> None:
    other = "a,f,soon\n" if beside else ""
    files = read(tmp_path, {"usage.csv": f"{USAGE}\na,f,{written}\n{other}"}, times_as=how)
    assert files.usage["occurred_at"].to_pylist() == [AT_MS + late_ms]
    line = f'{{"account_id":"a","feature":"f","occurred_at":"{written}"}}'
    (tmp_path / "usage.csv").unlink()
    assert read(tmp_path, {"usage.jsonl": line}, times_as=how).usage["occurred_at"].to_pylist() == [AT_MS + late_ms]


INSTANT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "values",
    [
        *(pa.array([INSTANT], pa.timestamp(unit, "America/New_York")) for unit in ("s", "ms", "us", "ns")),
        pa.array([date(2026, 1, 1)], pa.date32()),
        pa.array([date(2026, 1, 1)], pa.date64()),
        pa.array([Decimal(AT_MS)], pa.decimal128(18, 3)),
        pa.array([float(AT_MS)]),
    ],
)
def test_times_of_any_type_are_milliseconds(tmp_path: Path, values: pa.Array) -> None:
    files = read(tmp_path, {"usage.parquet": usage(occurred_at=values)})
    assert files.usage["occurred_at"].to_pylist() == [AT_MS]


def test_no_time_overflows_into_another() -> None:
    seconds = pa.array([2**63 // 1000 + 5, 2**62, -(2**62), 5], pa.timestamp("s"))
    values, bad = convert(seconds, TIME)
    assert values.to_pylist() == [None, None, None, 5_000]
    assert bad.tolist() == [True, True, True, False]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_durations_are_milliseconds(tmp_path: Path, unit: str) -> None:
    durations = pa.array([timedelta(seconds=3), None], pa.duration(unit))
    files = read(tmp_path, {"usage.parquet": usage(duration_ms=durations)})
    assert files.usage["duration_ms"].to_pylist() == [3_000, None]


@pytest.mark.parametrize(
    ("account_ids", "read_as"),
    [
        (pa.array([1001.0, 1002.0]), ["1001", "1002"]),
        (pa.array([1001, 2**64 - 1], pa.uint64()), ["1001", str(2**64 - 1)]),
        (pa.array([Decimal("1001.00"), None], pa.decimal128(18, 2)), ["1001"]),
        (pa.array(["1001.0", "007.50"]), ["1001", "007.50"]),
        (pa.array([2.0**53, 2.0**53 - 1]), [str(2**53 - 1)]),
        (pa.array(["9007199254740992.0", "1.5e+19"]), []),
    ],
)
def test_a_whole_number_is_one_id_however_it_is_written(
    tmp_path: Path, account_ids: pa.Array, read_as: list[str]
) -> None:
    table = usage(account_id=account_ids)
    files = read(tmp_path, {"usage.parquet": table, "usage2.csv": f"{USAGE}\n1001.0,2.0,2026-01-01\n"})
    assert files.usage["account_id"].to_pylist() == [*read_as, "1001"]
    assert files.usage["feature"].to_pylist()[-1] == "2.0"
    assert len(files.rejected) == len(account_ids) - len(read_as)


def test_a_price_of_any_length_is_the_revenue_of_30_days(tmp_path: Path) -> None:
    header = f"{BILLING},mrr_minor_after,price_minor,price_days\n"
    rows = (
        "a,,36500,365",
        "b,,3100,31",
        "c,700,3100,31",
        "d,,3100,",
        "e,,,31",
        "f,,100,0",
        "g,,2800,28.0",
        f"h,,{2**62},1",
    )
    lines = [f"{row[0]},subscription_started,EUR,2026-01-01{row[1:]}" for row in rows]
    files = read(tmp_path, {"billing.csv": header + "\n".join(lines)})
    found = dict(
        zip(files.billing["account_id"].to_pylist(), files.billing["mrr_minor_after"].to_pylist(), strict=True)
    )
    assert found == {"a": 3000, "b": 3000, "c": 700, "d": None, "e": None, "g": 3000}
    assert rejects(files)[:1] == ["billing.csv:7: price_days: must be at least 1 (it is '0')"]
    assert [(each.row, each.field) for each in files.rejected] == [(7, "price_days"), (9, "mrr_minor_after")]
    assert "price_minor" not in files.billing.column_names


def test_json_lines_say_each_thing_once(tmp_path: Path) -> None:
    rest = '"feature":"f","occurred_at":1767225600000'
    lines = [
        f'{{"account_id":"a","account_id":"b",{rest}}}',
        f'{{"account_id":"c",{rest},"quantity":NaN}}',
        f'{{"account_id":1001.0,{rest},"user_id":null}}',
        f'{{"account_id":12345678901234567890,{rest},"user_id":17}}',
    ]
    files = read(tmp_path, {"usage.jsonl": "\n".join(lines)})
    assert files.usage["account_id"].to_pylist() == ["1001", "12345678901234567890"]
    assert [(each.row, each.field) for each in files.rejected] == [(1, ""), (2, "")]
    assert "key account_id comes twice" in files.rejected[0].reason


def test_a_key_that_comes_twice_is_found_beside_lines_that_lack_it(tmp_path: Path) -> None:
    lines = [
        '{"account_id":"a","feature":"f","occurred_at":1767225600000,"action":"x","action":"y"}',
        '{"account_id":"b","feature":"f","occurred_at":1767225600000}',
        '{"account_id":"c","feature":"f","occurred_at":1767225600000,"action":null}',
    ]
    files = read(tmp_path, {"usage.jsonl": "\n".join(lines)})
    assert files.usage["account_id"].to_pylist() == ["b", "c"]


def test_properties_of_any_shape_are_kept_and_never_cost_the_row(tmp_path: Path) -> None:
    values = ['{"lib":"web","plan":{"id":1},"ok":true,"n":3,"z":null}', '{"plan":{"at":"2026-01-01"},"n":1.5}', "[1]"]
    rest = '"account_id":"a","feature":"f","occurred_at":1767225600000'
    files = read(tmp_path, {"usage.jsonl": "\n".join(f'{{{rest},"properties":{value}}}' for value in values)})
    wanted = [
        [("lib", "web"), ("plan", '{"id":1}'), ("ok", "true"), ("n", "3")],
        [("plan", '{"at":"2026-01-01"}'), ("n", "1.5")],
        [("value", "[1]")],
    ]
    assert files.usage["properties"].to_pylist() == wanted
    assert files.rejected == ()
    for written, kept in (("{bad", [("value", "{bad")]), ('"{""n"":3}"', [("n", "3")])):
        (tmp_path / "usage.jsonl").unlink(missing_ok=True)
        again = read(tmp_path, {"usage.csv": f"{USAGE},properties\na,f,2026-01-01,{written}\n"})
        assert again.usage["properties"].to_pylist() == [kept]


@pytest.mark.parametrize("marker", ["NULL", "\\N", "nan", "NaN", "None", "n/a", "N/A"])
def test_markers_of_nothing_are_nothing_and_said_once(tmp_path: Path, marker: str) -> None:
    text = f"{USAGE},user_id,duration_ms\na,f,2026-01-01,{marker},{marker}\na,f,2026-01-01,{marker},5\n{marker},f,1,,\n"
    files = read(tmp_path, {"usage.csv": text})
    assert files.usage["user_id"].to_pylist() == [None, None]
    assert files.usage["duration_ms"].to_pylist() == [None, 5]
    assert f"usage.csv:4: account_id: missing (it is {marker!r})" in rejects(files)
    assert files.notes == (
        f"usage.csv: account_id: 1 times {marker}, taken for nothing",
        f"usage.csv: user_id: 2 times {marker}, taken for nothing",
        f"usage.csv: duration_ms: 1 times {marker}, taken for nothing",
    )


def test_every_file_is_read_or_named_with_its_reason(tmp_path: Path) -> None:
    files = read(
        tmp_path,
        {
            "usage.csv": f"{USAGE}\na,f,2026-01-01\n",
            "usage (1).csv": f"{USAGE}\nb,f,2026-01-01\n",
            "Usage-2026-03.CSV": f"{USAGE}\nc,f,2026-01-01\n",
            "usage_2026-02.csv": "account_id,feature,occurrred_at\nd,f,2026-01-01\n",
            "Billing.csv": f"{BILLING}\na,payment_failed,EUR,2026-01-01\n",
            "ticket.csv": "account_id,ticket_id,type,occurred_at\na,t1,opened,2026-01-01\n",
            "profiles.xlsx": "",
            "usages_old.parquet/part-0.parquet": usage(account_id=["e"]),
            "usages_old.parquet/_SUCCESS": "",
            "usages_old.parquet/part-1.orc": "",
            "usagee.csv": "",
            "labels.csv": "",
            "usage.rejects.jsonl": "",
        },
    )
    assert sorted(files.usage["account_id"].to_pylist()) == ["a", "b", "c", "e"]
    assert (files.billing.num_rows, files.tickets.num_rows, files.rows_read) == (1, 1, 6)
    kinds = "unknown kind of file; known are .csv, .jsonl, .csv.gz, .jsonl.gz, .parquet"
    assert sorted(rejects(files)) == [
        f"profiles.xlsx: {kinds}",
        "usage_2026-02.csv: required columns are missing: occurred_at (did you mean it by occurrred_at?); "
        "found account_id, feature",
        f"usages_old.parquet/part-1.orc: {kinds}",
    ]
    assert files.notes == (
        "usage.rejects.jsonl: not read: a list of rejected rows",
        "usagee.csv: not read: its name begins with none of usage, billing, tickets, signals, profiles, commands; "
        "did you mean usage?",
    )


def test_a_folder_of_parts_can_be_named_itself(tmp_path: Path) -> None:
    read(tmp_path, {"usage.parquet/part-0.snappy.parquet": usage(account_id=["a", "b"])})
    assert read_events(tmp_path / "usage.parquet").usage["account_id"].to_pylist() == ["a", "b"]


def test_a_folder_without_any_file_to_use_names_those_there(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match=r"usag\.csv: not read: .*did you mean usage\?"):
        read(tmp_path, {"usag.csv": ""})


TEXTS = st.text(st.sampled_from('a",\r\n é;'), min_size=1, max_size=8)


@tried(60)
@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6),
    dialect=st.sampled_from(
        [("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]
    ),
    blank=st.booleans(),
)
def test_whatever_a_field_says_is_read_byte_for_byte(
    *, rows: list[tuple[str, str]], dialect: tuple[str, Any], blank: bool
) -> None:
    end, quoting = dialect
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerow([*USAGE.split(","), "action"])
    for account_id, action in rows:
        writer.writerow([account_id, "f", "2026-01-01", action])
        text.write(f",,,{end}" if blank else "")
    with TemporaryDirectory() as folder:
        files = read(Path(folder), {"usage.csv": text.getvalue()})
    assert files.rejected == ()
    assert list(zip(files.usage["account_id"].to_pylist(), files.usage["action"].to_pylist(), strict=True)) == rows
