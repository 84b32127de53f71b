"""The two places that settings come from: a TOML file and the environment."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.settings.model import SECTIONS, is_secret
from agents.settings.problems import Problem

PREFIX = "FORESHOCK_"
DELIMITER = "__"
FILE_SUFFIX = "_FILE"
TABLES = ("scorecards", "profiles", "receivers", "routes", "people")
RECEIVERS = f"{PREFIX}RECEIVERS{DELIMITER}"
CONFIG_VARIABLE = "FORESHOCK_CONFIG"
FOREIGN = ("FORESHOCK_CONFIG", "FORESHOCK_FAILPOINT", "FORESHOCK_TEST_")
"""Variables (or prefixes of them) that are no settings."""


@dataclass(slots=True)
class Found:
    """Raw values by section and name, where each came from, and what was wrong on the way."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[tuple[str, str], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    tables: dict[str, list[Any]] = field(default_factory=dict)
    """Raw entries of the tables that a file may repeat."""
    receivers: dict[str, str] = field(default_factory=dict)
    """Variables of receivers, which only the file names."""
    file: str = ""

    def put(self, section: str, name: str, value: object, origin: str) -> None:
        """Set a value; a later one wins."""
        self.values.setdefault(section, {})[name] = value
        self.origins[section, name] = origin


def variable(section: str, name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{section}{DELIMITER}{name}".upper()


def read_file(path: Path, found: Found) -> None:
    """Add what a TOML file sets."""
    source = str(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found.problems.append(Problem(source, "", None, f"cannot be read: {error.strerror}"))
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        found.problems.append(Problem(source, "", None, f"is not valid TOML: {error}"))
        return
    found.file = source
    for section, entries in content.items():
        if section in TABLES and isinstance(entries, list):
            found.tables[section] = entries
        elif section in TABLES:
            found.problems.append(Problem(source, section, None, f"is a list of tables; write [[{section}]]"))
        elif section not in SECTIONS:
            found.problems.append(Problem(source, section, None, unknown("section", section, [*SECTIONS, *TABLES])))
        elif not isinstance(entries, dict):
            found.problems.append(Problem(source, section, None, f"is a section; write [{section}]"))
        else:
            _read_section(source, section, entries, found)


def _read_section(source: str, section: str, entries: dict[str, Any], found: Found) -> None:
    fields = SECTIONS[section].model_fields
    for name, value in entries.items():
        if name not in fields:
            message = unknown("setting", name, fields)
            found.problems.append(Problem(source, f"{section}.{name}", None, message))
        elif is_secret(section, name):
            message = f"a secret may not stand in a file of settings; set {variable(section, name)} or "
            message += f"{variable(section, name)}{FILE_SUFFIX}"
            found.problems.append(Problem(source, f"{section}.{name}", None, message))
        else:
            found.put(section, name, value, source)


def read_environment(environ: Mapping[str, str], found: Found) -> None:
    """Add what `FORESHOCK_SECTION__NAME` variables set; `…_FILE` names a file that holds a secret."""
    known = {variable(section, name): (section, name) for section, name in _names()}
    secret_files = {
        variable(section, name) + FILE_SUFFIX: (section, name) for section, name in _names() if is_secret(section, name)
    }
    for key, value in sorted(environ.items()):
        if not key.startswith(PREFIX) or key.startswith(FOREIGN):
            continue
        if key.startswith(RECEIVERS):
            found.receivers[key] = value
        elif key in known:
            found.put(*known[key], value, key)
        elif key in secret_files:
            section, name = secret_files[key]
            secret = read_secret(key, value, f"{section}.{name}", environ, found.problems)
            if secret is not None:
                found.put(section, name, secret, key)
        else:
            message = unknown("variable", key, [*known, *secret_files])
            found.problems.append(Problem(key, "", None, message))


def read_secret(key: str, path: str, setting: str, environ: Mapping[str, str], problems: list[Problem]) -> str | None:
    """The secret in the file that a variable names; None and a problem if there is none."""
    plain = key.removesuffix(FILE_SUFFIX)
    if plain in environ:
        problems.append(Problem(key, setting, None, f"{plain} is set too; keep one"))
        return None
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        problems.append(Problem(key, setting, path, f"the file cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        problems.append(Problem(key, setting, path, "the file is not UTF-8 text"))
    return None


def _names() -> list[tuple[str, str]]:
    return [(section, name) for section, kind in SECTIONS.items() for name in kind.model_fields]


def unknown(what: str, given: str, known: Mapping[str, object] | list[str]) -> str:
    """That a name is unknown, and which may have been meant."""
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"unknown {what}" + (f"; did you mean {near[0]}?" if near else "")
