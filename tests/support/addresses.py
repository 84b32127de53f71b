"""Addresses of the console's pages over a crowded database, each page with what people ask of it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.crowded import Crowd, account, case

PAGES = ("inbox", "case", "account", "accounts", "portfolio", "rules", "fleet", "pipeline")


def addresses(page: str, crowd: Crowd, count: int) -> Iterator[str]:
    """So many addresses of a page."""
    filters = {
        "inbox": ("", "severity=critical", "kind=usage_drop&segment=smb", "status=acknowledged", "whose=mine",
                  "text=account 12", "page=7", "subject=growth", "text=nobody of this name"),
        "accounts": ("", "band=red", "segment=smb&sort=arr_minor&down=1", "sort=renewal_at_ms", "owner=csm-7",
                     "sort=band_since_ms&down=1", "sort=account_id&page=40", "text=acc-0123", "page=9"),
    }  # fmt: skip
    for number in range(count):
        place = number * 7_919 % (crowd.accounts // crowd.open_share)
        if page == "case":
            yield f"/cases/{case(place)}"
        elif page == "account":
            yield f"/accounts/{account(place)}"
        else:
            asked = filters.get(page, ("",))
            yield f"/{page}?{asked[number % len(asked)]}"
