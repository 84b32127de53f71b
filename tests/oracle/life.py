"""What an account is at the end of a day, and what that means for its alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle.model import DAY_MS, Account

if TYPE_CHECKING:
    from tests.oracle.model import OracleConfig

ALONE = ("silence", "dormant")
FOLLOWING = ("health_changed", "renewal_at_risk")
OF_USE = (
    *ALONE, *FOLLOWING, "usage_drop", "users_drop", "time_drop", "breadth_drop", "power_user_decline",
    "user_mix_shift", "role_decline", "feature_abandonment", "combined_evidence", "single_user_dependence",
    "seat_utilisation_drop", "stickiness_drop", "power_user_attendance", "champion_silent", "sponsor_silent",
    "power_user_silent", "weekly_drop", "sentiment_gap", "trial_stalled", "seat_saturation", "sustained_growth",
    "users_growth", "quota_burn", "new_team", "premium_probing", "new_power_users",
)  # fmt: skip
NOBODYS = ("ended", "test")


def status_of(account: Account) -> str:
    """Return the profile's status as it is compared."""
    return ((account.profile or {}).get("status") or "").strip().casefold()


def life_of(account: Account, end_ms: int, config: OracleConfig) -> str:
    """Tell what the account is at the end of a day."""
    status = status_of(account)
    if status in {"test", "internal"} and not config.test_accounts:
        return "test"
    if _has_ended(account, status, end_ms):
        return "ended"
    if status == "paused":
        return "paused"
    if _is_on_trial(account, status):
        return "trial"
    if speaks_alone(account):
        return "gone_quiet"
    return "onboarding" if (account.profile or {}).get("lifecycle_stage") == "onboarding" else "active"


def _has_ended(account: Account, status: str, end_ms: int) -> bool:
    since = (account.profile or {}).get("status_since")
    since = -1 if since is None else since
    subscriptions = list(account.subscriptions.values())
    if status == "churned" and since <= end_ms:
        begun = [each.began_at_ms for each in subscriptions if each.active and each.began_at_ms is not None]
        if all(began <= since for began in begun):
            return True
    if not subscriptions or any(each.active for each in subscriptions):
        return False
    last = max(each.stops_at_ms for each in subscriptions if each.stops_at_ms is not None)
    if status in {"active", "trial", "paused"} and since > last:
        return False
    return last + DAY_MS <= end_ms


def _is_on_trial(account: Account, status: str) -> bool:
    if not account.subscriptions:
        return status == "trial"
    going_on = [each for each in account.subscriptions.values() if each.active]
    return going_on != [] and all(each.last_type == "trial_started" for each in going_on)


def speaks_alone(account: Account) -> bool:
    """Tell whether an alert is open that stands for all that are about use."""
    return any(kind in ALONE for kind, _ in account.episodes)
