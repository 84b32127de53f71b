"""The sample file: every setting with its meaning, what it may be, and its default."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic.fields import FieldInfo

from agents.settings.allowed import allowed
from agents.settings.model import SECTIONS, is_secret
from agents.settings.sources import FILE_SUFFIX, variable

_HEADER = """\
# Settings of foreshock, with their defaults. Name this file by `--config FILE` or FORESHOCK_CONFIG.
# A variable FORESHOCK_SECTION__NAME wins over the file: FORESHOCK_KAFKA__BOOTSTRAP=kafka-1:9093
# Secrets may only stand in the environment, or in a file that the environment names.
# `foreshock config check` lists every problem; `foreshock config show` prints what is in force.
"""

_CARDS = """\
# Scorecards beside the built-in ones (default, onboarding, adoption, referenceability), or in their place by the same
# id. Raise `version` with every change: it is marked in the history and alerts nobody. A criterion may be
# "feature:NAME", the adoption of one feature, or "scorecard:ID", the total of another scorecard. With shadow = true its
# alerts go to alerts.shadow and to nobody else.
# [[scorecards]]
# id = "enterprise"
# version = 1
# shadow = false
# criteria = [
#     { dimension = "usage_trend", weight = 5 },
#     { dimension = "sponsor", weight = 4 },
#     { dimension = "outcomes", weight = 3, group = "value" },
#     { dimension = "scorecard:adoption", weight = 3, group = "value" },
# ]
# bands = { red_below = 40, red_until = 50, green_until = 65, green_from = 75, hold_days = 3, min_coverage = 0.4 }

# Health profiles: the first that matches an account decides what judges it, what is expected and which kinds are off.
# A list that is left out takes all.
# [[profiles]]
# name = "enterprise-onboarding"
# segments = ["enterprise"]
# lifecycle_stages = ["onboarding"]
# touch_models = ["high"]
# scorecards = ["onboarding", "enterprise"]
# expects = { seat_share = 0.6, touches = 6, daily_actions = 50 }
# disabled_kinds = ["seat_utilisation_drop"]
"""

_NOTIFY = """\
# Who is told of cases: receivers (channel webhook, slack, teams, email, pagerduty or alertmanager) and the routes to
# them. Every route that matches counts; a list that is left out takes all. Secrets of a receiver stand in the
# environment: FORESHOCK_RECEIVERS__SALES__URL, or FORESHOCK_RECEIVERS__SALES__URL_FILE.
# `foreshock notify routes CASE.json` says where a case would go and why.
# [[receivers]]
# name = "sales"
# channel = "slack"
#
# [[receivers]]
# name = "mail"
# channel = "email"
# host = "smtp.example.com"
# sender = "Foreshock <foreshock@example.com>"
# to = ["{owner}"]
#
# [[routes]]
# receiver = "sales"
# subjects = ["risk"]
# severity = "error"
# segments = ["enterprise"]
# arr_at_least = 100000
# immediate = "error"
# quiet = "20:00-07:00"
# digest = false
#
# [[routes]]
# receiver = "mail"

# How owners of accounts are reached, and who is told when they do not acknowledge in time.
# [[people]]
# owner = "ana"
# email = "ana@example.com"
# timezone = "Europe/Lisbon"
# manager = "max"
#
# [[people]]
# owner = "max"
# email = "max@example.com"
"""


def sample() -> str:
    """Text of deploy/foreshock.toml."""
    blocks = [_HEADER]
    for section, kind in SECTIONS.items():
        title = (kind.__doc__ or "").splitlines()[0]
        lines = [f"# {title}", f"[{section}]"]
        for name, field in kind.model_fields.items():
            lines += _setting(section, name, field)
        blocks.append("\n".join(lines) + "\n")
    return "\n".join([*blocks, _CARDS, _NOTIFY])


def _setting(section: str, name: str, field: FieldInfo) -> list[str]:
    about = f"# {field.description}"
    if is_secret(section, name):
        return [about, f"#   {name}: {variable(section, name)} or {variable(section, name)}{FILE_SUFFIX}"]
    words = allowed(SECTIONS[section], name)
    if words != "text":
        about += f" ({words})"
    if field.default is None:
        return [about, f'# {name} = ""']
    return [about, f"{name} = {_literal(field.default)}"]


def _literal(value: object) -> str:
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
