"""Settings as a person or a program may see them: secrets masked."""

from __future__ import annotations

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from agents.settings.model import SECTIONS, Settings, is_secret

MASK = "***"
Shown = str | int | float | bool | None


def masked_url(url: str) -> str:
    """A URL with its password replaced, or only its mask when it cannot be parsed."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return MASK


def masked_value(section: str, name: str, value: object) -> Shown:
    """A value that may be printed and logged."""
    if value is None:
        return None
    if is_secret(section, name):
        return MASK
    if name == "url":
        return masked_url(str(value))
    return value if isinstance(value, bool | int | float) else str(value)


def masked(settings: Settings) -> dict[str, dict[str, Shown]]:
    """All settings by section and name."""
    return {
        section: {
            name: masked_value(section, name, getattr(settings.section(section), name)) for name in kind.model_fields
        }
        for section, kind in SECTIONS.items()
    }
