"""What is said of event files: accounts and names that may be mistakes."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from agents.eventfiles.types import EventFiles, FileSummary
from pipeline.terms.calendar import country_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def in_no_other(summaries: Sequence[FileSummary]) -> list[int]:
    """How many accounts of each file occur in no other."""
    files_of = Counter(account for one in summaries for account in one.accounts)
    return [sum(files_of[account] == 1 for account in one.accounts) for one in summaries]


def unknown_countries(files: EventFiles) -> Iterator[str]:
    """What to warn of: names of countries that are none, once each."""
    for each in pc.value_counts(files.profiles.column("country").drop_null()).to_pylist():
        name, count = each["values"], each["counts"]
        if country_code(name) is None:
            yield f"country {name!r} of {count} profiles is no country with known holidays; it is taken to have none"


def doubtful_accounts(accounts: Iterable[str]) -> Iterator[str]:
    """What to warn of: ids with spaces at the edges, and ids that read alike but differ in their Unicode form.

    Case is a difference that is meant.
    """
    forms: dict[str, list[str]] = {}
    for account in sorted(set(accounts)):
        forms.setdefault(unicodedata.normalize("NFKC", account).strip(), []).append(account)
    for plain, found in forms.items():
        if len(found) > 1:
            yield f"account ids that read alike are different accounts: {', '.join(map(ascii, found))}"
        elif found[0] != found[0].strip():
            yield f"account id {found[0]!a} has spaces at its edges; it is another account than {plain!a}"
