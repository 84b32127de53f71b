"""The folder of the demo: its event files, its database, its settings and its logs."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agents.eventfiles.files import LABELS_FILE, EventFiles, write_events
from agents.kafka.embedded import PARTITIONS
from pipeline.simulate import SimulatedStream, SimulationSettings, simulate
from schemas.errors import UsageError

GROUP = "foreshock-demo"
_SETTINGS = "foreshock.toml"
_HEADING = "# Made by `foreshock demo`, which empties this folder when it runs again."
_OWN = (
    "events",
    "result",
    "foreshock.db",
    "foreshock.db-wal",
    "foreshock.db-shm",
    "worker.log",
    "deliver.log",
    "console.log",
)


class FolderError(UsageError):
    """The folder holds something that the demo did not make."""


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where the parts of one demo are."""

    path: Path

    @property
    def events(self) -> Path:
        """Event files and labels."""
        return self.path / "events"

    @property
    def labels(self) -> Path:
        """What the simulation has put into the events."""
        return self.events / LABELS_FILE

    @property
    def settings(self) -> Path:
        """Settings of every process of the demo, and of commands that look at what it left."""
        return self.path / _SETTINGS

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "foreshock.db"

    @property
    def database_url(self) -> str:
        """URL of the SQLite file."""
        return f"sqlite:///{self.database}"

    def log(self, role: str) -> Path:
        """What a process logs."""
        return self.path / f"{role}.log"

    def prepare(self, *, until_now: bool = False) -> None:
        """Make the folder, or empty the one that an earlier demo has left.

        `until_now`: people will act after the stream, so days end at midnight; else what they say in the first hour
        of a day would wait.

        Raises:
            FolderError: it holds something else.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        present = sorted(entry.name for entry in self.path.iterdir())
        if present and not self._is_ours():
            message = f"{self.path} is not empty and not of an earlier demo; choose another with --dir"
            raise FolderError(message)
        settings = self._toml() + ("out_of_orderness_s = 0\n" if until_now else "")
        self.settings.write_text(settings, encoding="utf-8")
        for name in _OWN:
            entry = self.path / name
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        return self.settings.is_file() and self.settings.read_text(encoding="utf-8").startswith(_HEADING)

    def _toml(self) -> str:
        # A JSON string is a TOML string.
        return (
            f"{_HEADING}\n"
            f'[app]\ngroup = "{GROUP}"\npartitions = {PARTITIONS}\n\n'
            f"[database]\nurl = {json.dumps(self.database_url)}\n\n"
            '[time]\nclock = "events"\n'
        )


def make_stream(settings: SimulationSettings, folder: DemoFolder) -> tuple[SimulatedStream, EventFiles]:
    """Draw the sample stream and write it as event files."""
    stream = simulate(settings)
    write_events(stream, folder.events)
    return stream, EventFiles.of(stream)


def sample_settings(
    seed: int, accounts: int, days: int, now: datetime | None = None, *, until_now: bool = False
) -> SimulationSettings:
    """The sample: on its usual dates, or on the latest Monday so that no event is in the future.

    `until_now`: its last day is yesterday, so that what people do next follows it.

    Raises:
        ValueError: a number is out of range.
    """
    usual = SimulationSettings(seed=seed, accounts=accounts, days=days)
    today = (now or datetime.now(UTC)).date()
    if until_now:
        start = today - timedelta(days=days)
        return SimulationSettings(seed=seed, accounts=accounts, days=days, start_date=start)
    over = (usual.start_date + timedelta(days=days) - today).days
    if over <= 0:
        return usual
    start = usual.start_date - timedelta(weeks=-(-over // 7))
    return SimulationSettings(seed=seed, accounts=accounts, days=days, start_date=start)
