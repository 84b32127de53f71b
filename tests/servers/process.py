"""One child process: start, readiness, log tail, signals, and an end even when the parent is killed.

Only processes started here are ever signalled, by their own process id or group.
"""

from __future__ import annotations

import abc
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.servers.errors import ServerStartError
from tests.support.patience import Patience, patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

_POLL_S = 0.05
_STOP_S = 10.0
_TAIL_BYTES = 4_000
# Waits for the parent's end of the pipe to close (a clean stop ends this guard first).
# QUIT first: PostgreSQL then gives its shared memory back.
_GUARD = 'read -r _; kill -s QUIT -- "-$1"; sleep 0.5; kill -s KILL -- "-$1"; sleep 0.2; rm -rf -- "$2"'


class ChildProcess:
    """A server's process in a session of its own, logging to a file."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        """Remember the command; `folder` holds the log, and goes if the parent dies without a clean stop."""
        self._name = name
        self._argv = list(argv)
        self._folder = folder
        self._env = {**os.environ, **(env or {})}
        self._user = user
        self._child: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.log_path = folder / f"{name}.log"

    @property
    def running(self) -> bool:
        """Whether the process is there (a paused one is)."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running process."""
        if self._child is None or self._child.poll() is not None:
            msg = f"{self._name} is not running"
            raise RuntimeError(msg)
        return self._child.pid

    def start(self) -> None:
        """Start the process; it must not be running."""
        if self.running:
            msg = f"{self._name} is running already"
            raise RuntimeError(msg)
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=self._env,
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self._child.pid), str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_ready(self, probe: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `probe` says yes.

        Raises:
            ServerStartError: the process ended, or was not ready in time; it is ended then.
        """
        limit = Patience(timeout_s)
        while self.running:
            if probe():
                return
            if limit.lost():
                self.kill9()
                raise ServerStartError(self._name, f"not ready within {timeout_s:g} s", self.log_tail())
            time.sleep(_POLL_S)
        status = None if self._child is None else self._child.returncode
        self._forget()
        raise ServerStartError(self._name, f"ended with status {status} while starting", self.log_tail())

    def stop(self, timeout_s: float, ask: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process to end, and kill it if it has not in time; it need not be running."""
        if self._child is not None and self.running:
            self.signal(signal.SIGCONT)
            self.signal(ask)
            try:
                self._child.wait(patience(timeout_s))
            except subprocess.TimeoutExpired:
                self._kill_group()
        self._forget()

    def kill9(self) -> None:
        """Kill the process group without warning, and wait until it is gone."""
        if self.running:
            self._kill_group()
        self._forget()

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to the process itself."""
        os.kill(self.pid, what)

    def log_tail(self) -> str:
        """Return the end of the process's log."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - _TAIL_BYTES))
            return log.read().decode(errors="replace").strip()

    def _kill_group(self) -> None:
        os.killpg(self.pid, signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    def _forget(self) -> None:
        """End the guard before the process id can belong to someone else."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
        self._guard = None
        if self._child is not None:
            self._child.wait()
        self._child = None


class Server(abc.ABC):
    """What every server here offers: start, stop (data stays), close (data goes), and `with`."""

    def __init__(self, name: str) -> None:
        """Make the server's temporary folder."""
        self._temporary = tempfile.TemporaryDirectory(prefix=f"foreshock-{name}-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)

    @abc.abstractmethod
    def start(self) -> None:
        """Start and wait until ready; after `stop` or `kill9`, on the same port with the same data."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End cleanly and keep the data."""

    @abc.abstractmethod
    def kill9(self) -> None:
        """End without warning and keep the data."""

    def restart(self) -> None:
        """Stop cleanly and start again on the same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End at once and remove the data; the server cannot be started again."""
        self.kill9()
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        """Start; a failed start leaves nothing behind."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened inside."""
        self.close()


class OneProcess(Server):
    """A server that is one process."""

    def __init__(self, name: str, ready_s: float) -> None:
        """Make the folder; `_process` is to be set."""
        super().__init__(name)
        self._ready_s = ready_s
        self._process: ChildProcess

    @abc.abstractmethod
    def answers(self) -> bool:
        """Whether it does what it is there for."""

    def start(self) -> None:
        """Start and wait until it answers."""
        self._process.start()
        self._process.wait_ready(self.answers, self._ready_s)

    def stop(self) -> None:
        """End cleanly."""
        self._process.stop(_STOP_S)

    def kill9(self) -> None:
        """End without warning."""
        self._process.kill9()

    def log_tail(self) -> str:
        """Return the end of the server's log."""
        return self._process.log_tail()
