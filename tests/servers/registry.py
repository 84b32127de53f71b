"""A Confluent-compatible schema registry (Apicurio, in memory) on loopback."""

from __future__ import annotations

import urllib.error
import urllib.request

from tests.servers import locate
from tests.servers.ports import LOOPBACK, answers, free_port
from tests.servers.process import ChildProcess, OneProcess
from tests.support.patience import patience

_READY_S = 90.0


class RegistryServer(OneProcess):
    """A schema registry; stopping it forgets every schema.

    Unlike Confluent's own, it checks no compatibility until a level is set (`PUT /config/{subject}`).
    """

    def __init__(self, heap: str = "400m") -> None:
        """Choose a port; nothing runs yet.

        Raises:
            ServerUnavailableError: Java or the registry's files are not installed.
        """
        java, jar = locate.java(), locate.registry_jar()
        super().__init__("registry", _READY_S)
        self.port = free_port()
        command = [
            str(java),
            f"-Xmx{heap}",
            "-Xshare:auto",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            f"-Djava.io.tmpdir={self.folder}",
            f"-Dquarkus.http.host={LOOPBACK}",
            f"-Dquarkus.http.port={self.port}",
            "-Dquarkus.banner.enabled=false",
            "-jar",
            str(jar),
        ]
        self._process = ChildProcess("registry", command, self.folder)

    @property
    def url(self) -> str:
        """Base URL of the Confluent-compatible API."""
        return f"http://{LOOPBACK}:{self.port}/apis/ccompat/v7"

    def answers(self) -> bool:
        """Whether it answers queries."""
        return answers(self.port) and responds(f"{self.url}/subjects")


def responds(url: str) -> bool:
    """Say whether a GET of this loopback address succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=patience(5.0)):
            return True
    except (urllib.error.URLError, OSError):
        return False
