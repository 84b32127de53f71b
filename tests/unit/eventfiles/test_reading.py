from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet
import pytest

from agents.eventfiles.files import EventFileError, EventFiles, Rejected, read_events
from agents.eventfiles.summary import doubtful_accounts, in_no_other

if TYPE_CHECKING:
    from pathlib import Path

AT_MS = 1_767_225_600_000
"""2026-01-01."""
DAY_MS = AT_MS + 86_400_000


TICKET = "account_id,ticket_id,type,occurred_at"
USAGE = "account_id,feature,occurred_at"


def read(folder: Path, name: str, text: str | bytes) -> EventFiles:
    data = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return read_events(folder)


def problems(folder: Path, name: str, text: str | bytes) -> list[str]:
    with pytest.raises(EventFileError) as caught:
        read(folder, name, text)
    return caught.value.problems


@pytest.mark.parametrize("name", ["usage.csv", "usage.csv.gz"])
def test_a_csv_file_needs_only_the_required_columns(tmp_path: Path, name: str) -> None:
    files = read(tmp_path, name, "account_id,feature,occurred_at\na,search,1767225601000\n")
    (row,) = files.usage.to_pylist()
    assert (row["account_id"], row["feature"], row["occurred_at"]) == ("a", "search", AT_MS + 1000)
    assert row["quantity"] == 1.0
    assert row["user_id"] is None
    assert row["event_id"]
    assert files.billing.num_rows == 0
    assert files.rejected == ()
    assert files.rows == files.rows_read == 1


@pytest.mark.parametrize(
    ("written", "read_ms"),
    [
        ("1767312000000", DAY_MS),
        ("2026-01-02", DAY_MS),
        ("2026-01-02T00:00:00Z", DAY_MS),
        ("2026-01-02 00:00:00.250Z", DAY_MS + 250),
        ("2026-01-02T02:00:00+02:00", DAY_MS),
        ("2026-01-02T00:00:00", DAY_MS),
        ("2026-01-02T00:00:00.123999Z", DAY_MS + 123),
        ("2026-01-02T00:00:00.123456789Z", DAY_MS + 123),
        ("20260102T000000Z", DAY_MS),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_times_are_epoch_milliseconds_or_iso_8601(tmp_path: Path, written: str, read_ms: int) -> None:
    files = read(tmp_path, "usage.csv", f"account_id,feature,occurred_at\na,f,{written}\n")
    assert files.rejected == ()
    assert files.usage["occurred_at"].to_pylist() == [read_ms]


def test_times_of_several_kinds_may_stand_in_one_column(tmp_path: Path) -> None:
    text = "account_id,feature,occurred_at\na,f,1767312000000\na,f,2026-01-02\na,f,2026-01-02T01:00:00+01:00\n"
    assert read(tmp_path, "usage.csv", text).usage["occurred_at"].to_pylist() == [DAY_MS] * 3


@pytest.mark.parametrize("written", ["soon", "2026-02-30", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "1e400"])
def test_what_is_no_time_is_rejected(tmp_path: Path, written: str) -> None:
    files = read(tmp_path, "usage.csv", f"account_id,feature,occurred_at\na,f,{written}\na,f,1767225600005\n")
    (reject,) = files.rejected
    assert reject == Rejected("usage.csv", 2, "occurred_at", "not a time: epoch milliseconds or ISO 8601", written)
    assert files.usage.num_rows == 1


def test_every_bad_row_of_every_file_is_reported_with_its_line_and_field(tmp_path: Path) -> None:
    (tmp_path / "usage.csv").write_text(
        "account_id,feature,occurred_at,quantity\na,f,1767225600001,1\n,f,1767225600001,1\na,f,1767225600001,-2\na,,x,inf\na,f,1767225600002,many\na,f,1767225600003,2\n"
    )
    (tmp_path / "billing.jsonl").write_text(
        '{"account_id": "a", "type": "invoice_paid", "occurred_at": 1767225600001, "currency": "EUR"}\n'
        "\n"
        '{"account_id": "a", "type": "invoice_eaten", "occurred_at": 1767225600001, "currency": "EUR"}\n'
        '{"account_id": "a", "type": "invoice_paid", "occurred_at": 1767225600001}\n'
    )
    files = read_events(tmp_path)
    assert files.usage["occurred_at"].to_pylist() == [AT_MS + 1, AT_MS + 3]
    assert files.billing.num_rows == 1
    assert files.rows_read == 9
    assert [(r.file, r.row, r.field, r.value) for r in files.rejected] == [
        ("usage.csv", 3, "account_id", ""),
        ("usage.csv", 4, "quantity", "-2"),
        ("usage.csv", 5, "feature", ""),
        ("usage.csv", 5, "occurred_at", "x"),
        ("usage.csv", 5, "quantity", "inf"),
        ("usage.csv", 6, "quantity", "many"),
        ("billing.jsonl", 3, "type", "invoice_eaten"),
        ("billing.jsonl", 4, "currency", ""),
    ]


def test_lines_are_counted_as_an_editor_does_past_blank_ones_and_line_breaks_in_quotes(
    tmp_path: Path,
) -> None:
    text = 'account_id,feature,occurred_at\r\n"a","two\nlines",1767225600001\r\n\r\na,f,x\r\n'
    files = read(tmp_path, "usage.csv", text)
    assert files.usage["feature"].to_pylist() == ["two\nlines"]
    assert [(r.row, r.field) for r in files.rejected] == [(5, "occurred_at")]


def test_a_csv_line_with_too_few_or_too_many_fields_is_rejected_as_a_whole(tmp_path: Path) -> None:
    files = read(
        tmp_path, "usage.csv", "account_id,feature,occurred_at\na,f\na,f,1767225600001\na,f,1767225600001,2\na,f,x\n"
    )
    assert files.usage.num_rows == 1
    assert [(r.row, r.field, r.reason) for r in files.rejected] == [
        (2, "", "2 fields instead of 3"),
        (4, "", "4 fields instead of 3"),
        (5, "occurred_at", "not a time: epoch milliseconds or ISO 8601"),
    ]
    assert files.rows_read == 4


def test_a_line_that_is_no_json_object_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    text = (
        '{"account_id": "a", "feature": "f", "occurred_at": 1767225600001}\n'
        '{"account_id": "a", "feature"\n'
        "[1]\n"
        '{"account_id": "a", "feature": "f", "occurred_at": "2026-01-01T00:00:02Z", "quantity": "3"}\n'
    )
    files = read(tmp_path, "usage.jsonl", text)
    assert files.usage["occurred_at"].to_pylist() == [AT_MS + 1, AT_MS + 2000]
    assert files.usage["quantity"].to_pylist() == [1.0, 3.0]
    assert [(r.row, r.field) for r in files.rejected] == [(2, ""), (3, "")]


def test_a_text_that_looks_like_a_date_or_a_number_stays_the_text_it_is(tmp_path: Path) -> None:
    text = '{"account_id": "2026-01-01", "feature": "007", "occurred_at": 1767225600001}\n'
    (row,) = read(tmp_path, "usage.jsonl", text).usage.to_pylist()
    assert (row["account_id"], row["feature"]) == ("2026-01-01", "007")


def test_numbers_are_taken_as_ids(tmp_path: Path) -> None:
    text = '{"account_id": 17, "feature": "f", "occurred_at": 1767225600001, "user_id": "x"}\n'
    assert read(tmp_path, "usage.jsonl", text).usage["account_id"].to_pylist() == ["17"]


def test_maps_and_lists_are_read_from_json(tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text(
        '{"account_id": "a", "feature": "f", "occurred_at": 1767225600001, "properties": {"k": "v"}}\n'
        '{"account_id": "a", "feature": "f", "occurred_at": 1767225600001, "properties": {"other": "w"}}\n'
    )
    (tmp_path / "profiles.csv").write_text(
        'account_id,entitled_features\na,"[""x"",""y""]"\nb,x;y\nc,\nd,[1\ne,"[""\\ud800""]"\n'
    )
    files = read_events(tmp_path)
    assert files.usage["properties"].to_pylist() == [[("k", "v")], [("other", "w")]]
    assert files.profiles["entitled_features"].to_pylist() == [["x", "y"], ["x", "y"], None]
    assert [(r.row, r.field) for r in files.rejected] == [(5, "entitled_features"), (6, "entitled_features")]


@pytest.mark.parametrize(
    ("name", "header", "good", "bad", "reason"),
    [
        ("tickets", f"{TICKET},csat", "a,t,csat_given,2026-01-01,5.0",
         "a,t,opened,2026-01-01,4.5", "not a whole number"),
        ("usage", f"{USAGE},duration_ms", "a,f,2026-01-01,10", "a,f,2026-01-01,1_0", "not a whole number"),
        ("usage", f"{USAGE},duration_ms", "a,f,2026-01-01,1e12",
         "a,f,2026-01-01,9223372036854775808", "not a whole number"),
        ("usage", f"{USAGE},quantity", "a,f,2026-01-01,1e9", "a,f,2026-01-01,1.1e9", "not between 0 and 1,000,000,000"),
        ("usage", f"{USAGE},quantity", "a,f,2026-01-01,0", "a,f,2026-01-01,inf", "not between 0 and 1,000,000,000"),
        ("usage", USAGE, "a,f,1767225600000", "a,f,-1", "not between the years 2000 and 9999"),
        ("usage", USAGE, "fleet-1,f,2026-01-01", "fleet:smb,f,2026-01-01",
         "reserved: fleet and what begins with fleet: stand for all accounts and for segments"),
        ("tickets", f"{TICKET},priority", "a,t,opened,2026-01-01,p1",
         "a,t,opened,2026-01-01,p9", "not one of p1, p2, p3, p4"),
        ("profiles", "account_id,renewal_at", "a,2026-01-01", "a,tomorrow",
         "not a time: epoch milliseconds or ISO 8601"),
    ],
)  # fmt: skip
def test_a_reject_says_what_is_allowed(
    tmp_path: Path, name: str, header: str, good: str, bad: str, reason: str
) -> None:
    files = read(tmp_path, f"{name}.csv", f"{header}\n{good}\n{bad}\n")
    assert [(r.row, r.reason) for r in files.rejected] == [(3, reason)]
    assert getattr(files, name).num_rows == 1


def test_text_that_is_no_utf8_and_null_items_of_lists_are_rejected_those_of_maps_left_out(
    tmp_path: Path,
) -> None:
    text = pa.array([b"a", b"b\xff", b"c", b"d"]).view(pa.string())
    table = pa.table(
        {
            "account_id": text,
            "feature": text,
            "occurred_at": [AT_MS] * 4,
            "properties": pa.array([[], [], [("k", None)], [("k", "v")]], pa.map_(pa.string(), pa.string())),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "usage.parquet")
    signals = {"account_id": ["a", "b"], "type": ["nps"] * 2, "occurred_at": [AT_MS] * 2}
    signals["reason_codes"] = [["price", None], ["price"]]
    pyarrow.parquet.write_table(pa.table(signals), tmp_path / "signals.parquet")
    files = read_events(tmp_path)
    assert files.usage["account_id"].to_pylist() == ["a", "c", "d"]
    assert files.usage["properties"].to_pylist() == [[], [], [("k", "v")]]
    assert files.signals["reason_codes"].to_pylist() == [["price"]]
    assert [(r.file, r.row, r.field) for r in files.rejected] == [
        ("usage.parquet", 2, "account_id"),
        ("usage.parquet", 2, "feature"),
        ("signals.parquet", 1, "reason_codes"),
    ]


def test_a_ticket_without_priority_is_p3(tmp_path: Path) -> None:
    text = f"{TICKET},priority\na,t,opened,1767225600001,\n"
    assert read(tmp_path, "tickets.csv", text).tickets["priority"].to_pylist() == ["p3"]


def test_a_parquet_file_may_have_typed_times_and_dictionary_columns(tmp_path: Path) -> None:
    table = pa.table(
        {
            "account_id": pa.array(["a", "b", None]).dictionary_encode(),
            "feature": pa.array(["f", "f", "f"], pa.large_string()),
            "occurred_at": pa.array([DAY_MS * 1000 + 999, -1, DAY_MS * 1000], pa.timestamp("us", "UTC")),
            "quantity": pa.array([2, 3, 4], pa.int32()),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "usage.parquet")
    files = read_events(tmp_path)
    (row,) = files.usage.to_pylist()
    assert (row["occurred_at"], row["quantity"]) == (DAY_MS, 2.0)
    assert [(r.row, r.field) for r in files.rejected] == [(2, "occurred_at"), (3, "account_id")]


def test_ids_are_the_same_for_the_same_file_and_differ_between_equal_rows(tmp_path: Path) -> None:
    text = "account_id,feature,occurred_at\na,f,1767225600001\na,f,1767225600001\nb,f,1767225600001\n"
    ids = read(tmp_path, "usage.csv", text).usage["event_id"].to_pylist()
    assert len(set(ids)) == 3
    assert read(tmp_path, "usage.csv", text).usage["event_id"].to_pylist() == ids
    longer = read(tmp_path, "usage.csv", f"{text}a,f,1767225600002\n").usage["event_id"].to_pylist()
    assert longer[:3] == ids


def test_ids_do_not_depend_on_the_format_of_the_file(tmp_path: Path) -> None:
    text = "account_id,feature,occurred_at\na,f,2026-01-01T00:00:01Z\n"
    ids = read(tmp_path, "usage.csv", text).usage["event_id"]
    (tmp_path / "usage.csv").unlink()
    again = read(tmp_path, "usage.jsonl", '{"occurred_at": 1767225601000, "feature": "f", "account_id": "a"}\n')
    assert again.usage["event_id"] == ids


def test_given_ids_are_kept_and_only_missing_ones_derived(tmp_path: Path) -> None:
    text = "event_id,account_id,feature,occurred_at\nmine,a,f,1767225600001\n,a,f,1767225600001\n"
    first, second = read(tmp_path, "usage.csv", text).usage["event_id"].to_pylist()
    assert first == "mine"
    assert second not in (None, "mine")


def test_exports_that_overlap_have_equal_ids_for_equal_rows(tmp_path: Path) -> None:
    header, rows = "account_id,feature,occurred_at\n", [f"a,f,2026-01-0{day}\n" for day in (1, 2, 2, 3, 4)]
    first = read(tmp_path, "usage.csv", header + "".join(rows[:4])).usage["event_id"].to_pylist()
    second = read(tmp_path, "usage.csv", header + "".join(reversed(rows[1:]))).usage["event_id"].to_pylist()
    assert len({*first, *second}) == 5
    assert first[1:] == second[:3]


def test_derived_ids_come_from_all_that_a_row_says(tmp_path: Path) -> None:
    start = '{"account_id": "a", "feature": "f", "occurred_at": "2026-01-01"'
    rows = (f'{start}, "properties": {properties}}}' for properties in ('{"k": "v", "l": "w"}', '{"k": "w"}'))
    found = {read(tmp_path, "usage.jsonl", row).usage["event_id"][0].as_py() for row in (*rows, f"{start}}}")}
    swapped = read(tmp_path, "usage.jsonl", f'{start}, "properties": {{"l": "w", "k": "v"}}}}').usage["event_id"]
    assert len(found) == 3
    assert swapped[0].as_py() in found


def test_an_id_that_comes_again_counts_once_and_is_rejected_with_other_content(tmp_path: Path) -> None:
    rows = [
        "e1,a,f,2026-01-01",
        "e2,a,f,2026-01-02",
        "e1,a,f,2026-01-01",
        "e1,a,f,2026-01-07",
        ",b,f,yesterday",
        "e2,a,f,2026-01-02",
        "e2,c,f,2026-01-02",
    ]
    files = read(tmp_path, "usage.csv", "event_id,account_id,feature,occurred_at\n" + "\n".join(rows))
    assert [(one.row, one.field, one.value) for one in files.rejected] == [
        (5, "event_id", "e1"),
        (6, "occurred_at", "yesterday"),
        (8, "event_id", "e2"),
    ]
    assert files.usage["event_id"].to_pylist() == ["e1", "e1", "e2", "e2"]
    (summary,) = files.summaries
    assert (summary.rows, summary.good, summary.rejected, summary.duplicates) == (7, 4, 3, 2)
    assert summary.first_duplicates == ((4, "e1"), (7, "e2"))
    first_ms = 1_767_225_600_000
    assert (summary.first_ms, summary.last_ms, summary.accounts) == (first_ms, first_ms + 86_400_000, frozenset({"a"}))


def test_events_are_looked_for_in_all_files_of_a_topic(tmp_path: Path) -> None:
    for name, rows in {
        "usage-1.csv": "e1,a,f,2026-01-01\ne2,a,f,2026-01-09\n",
        "usage-2.csv": "e2,a,f,2026-01-09\ne1,b,f,2026-01-01\ne3,b,f,2026-01-05\n",
    }.items():
        (tmp_path / name).write_text(f"event_id,account_id,feature,occurred_at\n{rows}")
    files = read_events(tmp_path)
    assert files.usage["event_id"].to_pylist() == ["e1", "e3", "e2", "e2"]
    assert [(one.file, one.row, one.value) for one in files.rejected] == [("usage-2.csv", 3, "e1")]
    assert [(one.good, one.duplicates) for one in files.summaries] == [(2, 0), (2, 1)]
    assert in_no_other(files.summaries) == [0, 1]


def test_account_ids_that_read_alike_are_doubtful() -> None:
    ids = ["acme", "ACME", " x", "x", "caf\u00e9", "cafe\u0301", "y\u00a0"]
    assert list(doubtful_accounts(ids)) == [
        "account ids that read alike are different accounts: ' x', 'x'",
        "account ids that read alike are different accounts: 'cafe\\u0301', 'caf\\xe9'",
        "account id 'y\\xa0' has spaces at its edges; it is another account than 'y'",
    ]


def test_columns_that_no_event_has_are_named(tmp_path: Path) -> None:
    files = read(tmp_path, "usage.csv", "account_id,feature,occurred_at,quantitty\na,f,1767225600001,5\n")
    assert files.notes == ("usage.csv: column quantitty is not known and is left out; did you mean quantity?",)


def test_one_file_can_be_read_alone(tmp_path: Path) -> None:
    read(tmp_path, "usage.csv", "account_id,feature,occurred_at\na,f,1767225600001\n")
    (tmp_path / "profiles.csv").write_text("account_id\na\n")
    files = read_events(tmp_path / "profiles.csv")
    assert (files.usage.num_rows, files.profiles.num_rows) == (0, 1)


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("whatever")
    (tmp_path / "README.md").write_text("whatever")
    assert read(tmp_path, "profiles.csv", "account_id\na\n").rows == 1


@pytest.mark.parametrize("name", ["usage.csv", "usage.jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path, name: str) -> None:
    text = (
        "account_id,feature,occurred_at\na,f,1767225600001\n"
        if name.endswith("csv")
        else '{"account_id": "a", "feature": "f", "occurred_at": 1767225600001}'
    )
    assert read(tmp_path, name, b"\xef\xbb\xbf" + text.encode()).rows == 1


def test_an_empty_json_lines_file_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "usage.jsonl", "").rows == 0


def test_a_csv_file_with_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "usage.csv", "account_id,feature,occurred_at\n").rows == 0


def test_all_unusable_files_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "usage.csv").write_text("account_id,occurred_at\na,1\n")
    (tmp_path / "billing.parquet").write_bytes(b"PAR1 or not")
    (tmp_path / "tickets.csv.gz").write_bytes(b"not gzip")
    (tmp_path / "signals.csv").write_bytes(b"account_id,type,occurred_at\na,nps,1767225600001\na,\xff,1\n")
    (tmp_path / "profiles.csv").write_text("")
    with pytest.raises(EventFileError) as caught:
        read_events(tmp_path)
    usage, billing, tickets, signals, profiles = caught.value.problems
    assert "usage.csv: required columns are missing: feature" in usage
    assert billing.startswith("billing.parquet: ")
    assert tickets.startswith("tickets.csv.gz: ")
    assert "signals.csv: line 3 is not UTF-8" in signals
    assert "profiles.csv: the file is empty" in profiles


def test_several_files_of_one_topic_are_read_together_in_the_order_of_their_names(tmp_path: Path) -> None:
    row = '{"account_id": "j", "feature": "f", "occurred_at": "2026-01-01"}'
    (tmp_path / "usage_2026-02.jsonl").write_text(row)
    files = read(tmp_path, "usage.csv", f"{USAGE}\nc,f,2026-01-01\n")
    assert files.usage["account_id"].to_pylist() == ["c", "j"]


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    assert "usage.xlsx: unknown kind of file" in problems(tmp_path, "usage.xlsx", "")[0]


def test_a_column_that_appears_twice_is_refused(tmp_path: Path) -> None:
    text = "account_id,feature,occurred_at,feature\na,f,1767225600001,g\n"
    assert "column feature appears twice" in problems(tmp_path, "usage.csv", text)[0]


def test_a_file_with_another_separator_is_refused_with_a_hint(tmp_path: Path) -> None:
    assert "separated by commas" in problems(tmp_path, "usage.csv", "account_id;feature;occurred_at\na;f;1\n")[0]


def test_a_folder_without_event_files_says_which_names_it_looks_for(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match=r"usage\.\*, billing\.\*"):
        read_events(tmp_path)


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="does not exist"):
        read_events(tmp_path / "nowhere")
