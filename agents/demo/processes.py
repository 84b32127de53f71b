"""The processes of the demo: started with settings of their own, watched, and ended in every case."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.errors import ForeshockError

_STOP_S = 30.0
_TAIL_LINES = 12


class DemoError(ForeshockError):
    """The demo did not come to its end; the message says where to look."""


class Child:
    """One process of the demo; it ends with the block, and with this process however that ends."""

    def __init__(self, role: str, config: Path, settings: Mapping[str, object], log: Path) -> None:
        """`settings` are those that the file `config` does not have, as `section.name`."""
        self.role = role
        self._log = log
        self._command = [sys.executable, "-m", "agents.demo.child", role, str(config)]
        self._environment = environment(settings)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            # Our own module in our own interpreter.
            self._process = subprocess.Popen(  # noqa: S603 - no input from outside
                self._command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=self._environment
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            # What it had in hand does not matter when something else has failed.
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def check(self) -> None:
        """Raise DemoError if it is not running."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            message = f"the {self.role} ended with exit code {code}; {self._log} ends with:\n{self._tail()}"
            raise DemoError(message)

    def stop(self) -> None:
        """Let it finish what it has in hand. Raises DemoError unless it ends well."""
        process = self._process
        if process is None:
            return
        self.check()
        process.terminate()
        try:
            code = process.wait(_STOP_S)
        except subprocess.TimeoutExpired as error:
            message = f"the {self.role} did not stop within {_STOP_S:.0f} s; see {self._log}"
            raise DemoError(message) from error
        if code != 0:
            message = f"the {self.role} stopped with exit code {code}; {self._log} ends with:\n{self._tail()}"
            raise DemoError(message)

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Ours without settings of a real deployment, which the demo must not touch."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FORESHOCK_")}
    own = {f"FORESHOCK_{name.upper().replace('.', '__')}": str(value) for name, value in settings.items()}
    return kept | own


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
