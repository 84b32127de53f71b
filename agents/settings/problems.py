"""What can be wrong with the settings, told all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: where it was set, which setting, the value (masked if secret) and what is allowed."""

    source: str
    """Path of the file or name of the environment variable."""
    setting: str
    """As `section.name`; empty when it concerns the source as a whole."""
    value: str | None
    message: str

    def __str__(self) -> str:
        """As one line."""
        setting = f"{self.setting}: " if self.setting else ""
        value = "" if self.value is None else f" (it is {self.value})"
        return f"{self.source}: {setting}{self.message}{value}"


class ConfigError(UsageError):
    """The settings cannot be used; `problems` holds every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Take all problems, in the order in which they are shown."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
