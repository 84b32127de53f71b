"""What all pages of a process share: connections, settings, and figures of all accounts, made once for all viewers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agents.console.brokers import Lags
from agents.console.live import Live
from pipeline.terms.days import Days
from schemas.topics import DAY_MS
from sinks.database.engine import open_engine
from sinks.database.failures import failures_translated
from sinks.database.reading import portfolio
from sinks.database.reading.pipeline import arrived
from sinks.database.reading.rules import Feedback, feedback
from sinks.database.reading.scope import last_close_ms
from sinks.errors import SinkError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.applications import Starlette

    from agents.settings import Settings
    from agents.web.store import Store

logger = logging.getLogger(__name__)

BANDS_DAYS = 182
_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Overview:
    """Figures that need all accounts, as of one close."""

    as_of_ms: int
    standings: Sequence[portfolio.Standing]
    daily: Sequence[portfolio.Bands]
    quartiles: portfolio.Quartiles


class Console:
    """Reads one database; for many threads. `reading` is a connection for the questions of one page."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.engine_config = settings.engine()
        self.zone, self.days = ZoneInfo(settings.app.timezone), Days(settings.app.timezone)
        self.group = settings.app.group
        self.reading = store.reading
        # Figures of all accounts are read beside the pages, and may take as long as they need.
        self._slow = open_engine(settings.database.full_url(), statement_timeout_s=_HOUR_S)
        self.lags = Lags(settings)
        self._overview: Overview | None = None
        self._feedback: tuple[tuple[int, ...], Feedback] | None = None
        self._making = threading.Lock()
        self.live = Live(self.reading)

    def overview(self, as_of_ms: int) -> Overview | None:
        """The newest figures; made anew behind the scenes when they are older than the last close."""
        found = self._overview
        if (found is None or found.as_of_ms < as_of_ms) and self._making.acquire(blocking=False):
            threading.Thread(target=self._make, name="overview", daemon=True).start()
        return found

    def feedback(self, connection: Connection) -> Feedback:
        """What people said of each kind; asked for again only when there are new commands or results."""
        taken = arrived(connection)
        stamp = tuple(taken.get(topic, 0) for topic in ("alert.commands", "command.results"))
        if self._feedback is None or self._feedback[0] != stamp:
            self._feedback = (stamp, feedback(connection))
        return self._feedback[1]

    def make_overview(self) -> Overview:
        """Make the figures now."""
        try:
            with failures_translated(self._slow), self._slow.connect() as connection:
                return self._made(connection)
        finally:
            # Once a close is seldom: nothing is kept open for it.
            self._slow.dispose()

    def _made(self, connection: Connection) -> Overview:
        as_of_ms = last_close_ms(connection)
        last = as_of_ms // DAY_MS - 1
        stand, usual = portfolio.standings(connection), portfolio.quartiles(connection)
        before = self._overview.daily if self._overview else ()
        # The past takes longest, and is not waited for.
        self._overview = Overview(as_of_ms, stand, before, usual)
        made = Overview(as_of_ms, stand, portfolio.daily(connection, last - BANDS_DAYS, last), usual)
        self._overview = made
        return made

    def _make(self) -> None:
        try:
            self.make_overview()
        except SinkError as error:
            logger.warning("the figures of all accounts cannot be made now: %s", error)
        finally:
            self._making.release()


_first = threading.Lock()


def console_of(app: Starlette) -> Console:
    """That of an application; made when it is first asked for."""
    with _first:
        found: Console | None = getattr(app.state, "console", None)
        if found is None:
            found = app.state.console = Console(app.state.settings, app.state.store)
    return found
