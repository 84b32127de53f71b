"""Prometheus on loopback, and the paths of its checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers import locate
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ChildProcess, OneProcess
from tests.servers.registry import responds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_READY_S = 30.0


def promtool() -> Path:
    """Return the checker of Prometheus configuration and rules."""
    return locate.program("promtool", "prometheus")


def amtool() -> Path:
    """Return the checker of Alertmanager configuration."""
    return locate.program("amtool", "prometheus-alertmanager")


class PrometheusServer(OneProcess):
    """A Prometheus server with the given configuration."""

    def __init__(self, config: str, files: Mapping[str, str] | None = None) -> None:
        """Write the configuration; nothing runs yet.

        Args:
            config: text of `prometheus.yml`.
            files: texts of further files by name, such as rules; the configuration may name them relatively.

        Raises:
            ServerUnavailableError: Prometheus is not installed.
        """
        program = locate.program("prometheus", "prometheus")
        super().__init__("prometheus", _READY_S)
        self.port = free_port()
        self._config = self.folder / "prometheus.yml"
        self._config.write_text(config)
        for name, text in (files or {}).items():
            (self.folder / name).write_text(text)
        command = [
            str(program),
            f"--config.file={self._config}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            "--web.enable-lifecycle",
        ]
        self._process = ChildProcess("prometheus", command, self.folder)

    @property
    def url(self) -> str:
        """Base URL of the HTTP API."""
        return f"http://{LOOPBACK}:{self.port}"

    def answers(self) -> bool:
        """Whether it answers queries."""
        return responds(f"{self.url}/-/ready")


class AlertmanagerServer(OneProcess):
    """An Alertmanager that sends to nobody; what it holds is asked for by its API."""

    def __init__(self) -> None:
        """Write the configuration; nothing runs yet.

        Raises:
            ServerUnavailableError: Alertmanager is not installed.
        """
        program = locate.program("prometheus-alertmanager", "prometheus-alertmanager")
        super().__init__("alertmanager", _READY_S)
        self.port = free_port()
        config = self.folder / "alertmanager.yml"
        config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        command = [
            str(program),
            f"--config.file={config}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            "--cluster.listen-address=",
        ]
        self._process = ChildProcess("alertmanager", command, self.folder)

    @property
    def url(self) -> str:
        """Base URL of the HTTP API."""
        return f"http://{LOOPBACK}:{self.port}"

    def answers(self) -> bool:
        """Whether it takes alerts."""
        return responds(f"{self.url}/-/ready")
