"""Where the servers' programs are, or a `ServerUnavailableError`. Reads the file system, installs nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.servers.errors import ServerUnavailableError
from tests.support.patience import patience

REPOSITORY = Path(__file__).resolve().parents[2]
SHARE = REPOSITORY / ".venv" / "share" / "foreshock"
KAFKA_JARS = SHARE / "kafka"
REGISTRY_FILES = SHARE / "registry"
AXE = SHARE / "axe"
OLDEST_JAVA = 17


def java() -> Path:
    """Return a Java launcher that is new enough for the broker."""
    for candidate in _java_candidates():
        if java_version(candidate) >= OLDEST_JAVA:
            return candidate
    msg = f"Java {OLDEST_JAVA} or newer"
    raise ServerUnavailableError(msg)


def java_version(launcher: Path) -> int:
    """Return the launcher's major version, 0 when it does not say."""
    try:
        said = subprocess.run([launcher, "-version"], capture_output=True, text=True, check=False, timeout=patience(60))
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(\d+)', said.stderr + said.stdout)
    return int(match.group(1)) if match else 0


def kafka_jars() -> Path:
    """Return the folder of the broker's jars."""
    if not any(KAFKA_JARS.glob("kafka_2.13-*.jar")):
        msg = "Apache Kafka"
        raise ServerUnavailableError(msg)
    return KAFKA_JARS


def registry_jar() -> Path:
    """Return the schema registry's runnable jar; its libraries are beside it."""
    found = sorted(REGISTRY_FILES.glob("apicurio-registry-app-*-runner.jar"))
    if not found:
        msg = "the schema registry (Apicurio)"
        raise ServerUnavailableError(msg)
    return found[-1]


def postgres_bin() -> Path:
    """Return the folder of PostgreSQL's own programs, newest version first."""
    versions = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0),
    )
    if versions:
        return versions[-1]
    on_path = shutil.which("initdb")
    if on_path is None:
        msg = "PostgreSQL"
        raise ServerUnavailableError(msg)
    return Path(on_path).resolve().parent


def program(name: str, package: str) -> Path:
    """Return a program found on the search path, else name the package that has it."""
    found = shutil.which(name)
    if found is None:
        msg = f"{name} (Debian package {package})"
        raise ServerUnavailableError(msg)
    return Path(found)


def _java_candidates() -> list[Path]:
    home = os.environ.get("JAVA_HOME")
    candidates = [Path(home) / "bin" / "java"] if home else []
    on_path = shutil.which("java")
    if on_path is not None:
        candidates.append(Path(on_path))
    return [*candidates, *sorted(Path("/usr/lib/jvm").glob("*/bin/java"), reverse=True)]
