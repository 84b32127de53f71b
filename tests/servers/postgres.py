"""PostgreSQL on loopback, in a temporary cluster; as root it runs as an unprivileged user."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from tests.servers import locate
from tests.servers.errors import ServerStartError
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ChildProcess, Server
from tests.support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE = "foreshock"
_READY_S = 30.0
_STOP_S = 20.0
_INITDB_S = 60.0
_SHARED_MEMORY_LINE = 6


class PostgresServer(Server):
    """A PostgreSQL server that trusts loopback; the superuser is `foreshock`."""

    def __init__(self, settings: Mapping[str, str | int] | None = None, *, fsync: bool = False) -> None:
        """Choose a port; nothing runs yet.

        Args:
            settings: `postgresql.conf` values that win over the ones set here.
            fsync: make commits survive a machine that stops; a killed server loses nothing without it.

        Raises:
            ServerUnavailableError: PostgreSQL is not installed.
        """
        self._bin = locate.postgres_bin()
        super().__init__("postgres")
        self.port = free_port()
        self._user = _unprivileged_user()
        self._data = self.folder / "data"
        values: dict[str, str | int] = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "on" if fsync else "off",
            # In the data folder, so that a killed server leaves nothing outside it.
            "dynamic_shared_memory_type": "mmap",
            "logging_collector": "off",
            "log_destination": "stderr",
            **(settings or {}),
        }
        options = [f"--{name}={value}" for name, value in values.items()]
        command = [str(self._bin / "postgres"), "-D", str(self._data), *options]
        self._process = ChildProcess("postgres", command, self.folder, user=self._user)

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database that is always there."""
        return self.url_for("postgres")

    def url_for(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{ROLE}@{LOOPBACK}:{self.port}/{database}"

    def dsn_for(self, database: str = "postgres") -> str:
        """Connection string for psycopg itself."""
        return f"postgresql://{ROLE}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        with psycopg.connect(self.dsn_for(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url_for(name)

    def start(self) -> None:
        """Make the cluster if there is none, start, and wait until it takes connections."""
        if not (self._data / "PG_VERSION").exists():
            self._initdb()
        self._process.start()
        self._process.wait_ready(self._accepts, _READY_S)

    def stop(self) -> None:
        """Disconnect the clients, write a checkpoint and end."""
        self._process.stop(_STOP_S, signal.SIGINT)

    def kill9(self) -> None:
        """Kill the postmaster and all its children without warning."""
        if not self._process.running:
            return
        postmaster = self._process.pid
        # Stopped first, so that it cannot start another child meanwhile. Children are sessions of their own.
        os.kill(postmaster, signal.SIGSTOP)
        children = _children(postmaster)
        self._process.kill9()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the postmaster and its children: connections stay open and nothing answers."""
        os.kill(self._process.pid, signal.SIGSTOP)
        self._signal_children(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._signal_children(signal.SIGCONT)
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End at once and remove the data."""
        if self._process.running:
            self.resume()
        self._process.stop(_STOP_S, signal.SIGQUIT)
        self._remove_shared_memory()
        super().close()

    def log_tail(self) -> str:
        """Return the end of the server's log."""
        return self._process.log_tail()

    def _signal_children(self, what: signal.Signals) -> None:
        for child in _children(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, what)

    def _initdb(self) -> None:
        if self._user is not None:
            shutil.chown(self.folder, self._user, self._user)
        made = subprocess.run(
            [
                self._bin / "initdb",
                f"--pgdata={self._data}",
                f"--username={ROLE}",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            cwd=self.folder,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience(_INITDB_S),
        )
        if made.returncode != 0:
            msg = "postgres"
            raise ServerStartError(msg, "initdb failed", (made.stdout + made.stderr).strip())

    def _accepts(self) -> bool:
        try:
            psycopg.connect(self.dsn_for(), connect_timeout=int(patience(2))).close()
        except psycopg.OperationalError:
            return False
        return True

    def _remove_shared_memory(self) -> None:
        """Remove the one segment that a killed postmaster leaves in the kernel; its lock file names it."""
        lock_file = self._data / "postmaster.pid"
        if not lock_file.exists() or self._process.running:
            return
        key_and_id = lock_file.read_text().splitlines()[_SHARED_MEMORY_LINE : _SHARED_MEMORY_LINE + 1]
        tool = shutil.which("ipcrm")
        if tool is not None and key_and_id and key_and_id[0].strip():
            segment = key_and_id[0].split()[-1]
            subprocess.run([tool, "-m", segment], capture_output=True, check=False)


def _unprivileged_user() -> str | None:
    """Return whom to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _children(parent: int) -> list[int]:
    """Return the process ids whose parent is `parent`."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name may hold blanks and brackets; what follows its last bracket does not.
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(status.parent.name))
    return found
