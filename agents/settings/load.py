"""Merge and validate: all problems at once, each with where it was set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from agents.settings.allowed import allowed
from agents.settings.cards import card_problems, read_cards
from agents.settings.model import SECTIONS, Settings, settings_of
from agents.settings.notify import Notify
from agents.settings.problems import ConfigError, Problem
from agents.settings.receivers import read_notify
from agents.settings.sections import Health
from agents.settings.show import masked_value
from agents.settings.sources import CONFIG_VARIABLE, Found, read_environment, read_file, variable
from sinks.section import Section

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each as `section.name` where it was set."""

    settings: Settings
    origins: Mapping[str, str]


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of this process: defaults, then the file, then the environment.

    `path` is the file; without it the one that FORESHOCK_CONFIG names, if any.

    Raises:
        ConfigError: something cannot be used; it lists every problem.
    """
    return read(path, environ).settings


def read(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Like `load`, with the origin of each setting."""
    found = Found()
    if path is None and environ.get(CONFIG_VARIABLE):
        path = Path(environ[CONFIG_VARIABLE])
    if path is not None:
        read_file(path, found)
    read_environment(environ, found)
    problems = [*found.problems, *_passwords_in_files(found)]
    sections: dict[str, Section] = {}
    for name, kind in SECTIONS.items():
        try:
            sections[name] = kind.model_validate(found.values.get(name, {}))
        except ValidationError as error:
            problems += [
                _problem(name, str(details["loc"][0]), details.get("ctx", {}).get("error"), found)
                for details in error.errors(include_url=False)
            ]
        else:
            problems += [
                Problem(_origin(name, setting, found), f"{name}.{setting}", _shown(name, setting, found), why)
                for setting, why in sections[name].conflicts()
            ]
    cards, profiles, wrong = read_cards(found)
    problems += wrong
    health = sections.get("health")
    problems += (
        []
        if wrong
        else card_problems(
            cards,
            profiles,
            health if isinstance(health, Health) else None,
            found.file,
        )
    )
    notify = sections.get("notify")
    tables, wrong = read_notify(found, notify if isinstance(notify, Notify) else Notify())
    problems += wrong
    if problems:
        raise ConfigError(problems)
    origins = {
        f"{section}.{name}": found.origins.get((section, name), DEFAULT)
        for section, kind in SECTIONS.items()
        for name in kind.model_fields
    }
    return Loaded(settings_of(sections, {"scorecards": cards, "profiles": profiles, **tables}), origins)


def _problem(section: str, name: str, said: object, found: Found) -> Problem:
    """What is wrong with a setting; `said` by its own check, if it has one."""
    message = str(said) if said is not None else f"must be {allowed(SECTIONS[section], name)}"
    origin, shown = _origin(section, name, found), _shown(section, name, found)
    return Problem(origin, f"{section}.{name}", shown, message)


def _origin(section: str, name: str, found: Found) -> str:
    return found.origins.get((section, name), DEFAULT)


def _shown(section: str, name: str, found: Found) -> str | None:
    value: Any = found.values.get(section, {}).get(name)
    if value is None:
        return None
    shown = masked_value(section, name, value)
    return repr(shown) if isinstance(shown, str) else str(shown)


def _passwords_in_files(found: Found) -> list[Problem]:
    """A URL with a password is a secret too, so it may only come from the environment."""
    problems = []
    for section in ("database", "registry"):
        url = found.values.get(section, {}).get("url")
        origin = found.origins.get((section, "url"), "")
        if not isinstance(url, str) or origin == variable(section, "url"):
            continue
        try:
            password = make_url(url).password
        except (ArgumentError, ValueError):  # reported by the check of its section
            password = None
        if password is not None:
            message = f"a password may not stand in a file of settings; set {variable(section, 'password')}"
            problems.append(Problem(origin, f"{section}.url", _shown(section, "url", found), message))
    return problems
