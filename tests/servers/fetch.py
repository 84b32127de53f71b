"""Install what the test servers need: Debian packages, jars from Maven Central, and axe from npm.

`python -m tests.servers.fetch` is idempotent and quick when all is there; `--check` installs nothing;
`--strict` ends with status 1 when something is missing. Standard library only, starts no service.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agents.console.assets import Asset
from agents.console.assets import fetch as fetch_asset
from tests.servers import locate
from tests.servers.errors import ServerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_HERE = Path(__file__).resolve().parent
_POLICY = Path("/usr/sbin/policy-rc.d")
_STAMP = ".fetched-from"


@dataclass(frozen=True)
class Jars:
    """One set of files from Maven Central; `goal` of the dependency plugin puts them into `target`."""

    name: str
    pom: Path
    goal: str
    target: Path
    find: Callable[[], Path]

    def stamp(self) -> str:
        """Return what the target's stamp must say: which pom it was made from."""
        return hashlib.sha256(self.pom.read_bytes()).hexdigest()

    def present(self) -> bool:
        """Say whether the files are there and come from this very pom."""
        stamp = self.target / _STAMP
        return stamp.is_file() and stamp.read_text().strip() == self.stamp() and _found(self.find)


@dataclass(frozen=True)
class Package:
    """A Debian package and how to see that its program is there."""

    name: str
    needed_for: str
    find: Callable[[], Path]


JARS = (
    Jars("Kafka", _HERE / "pom.xml", "copy-dependencies", locate.KAFKA_JARS, locate.kafka_jars),
    Jars(
        "Schema registry",
        _HERE / "registry-pom.xml",
        "unpack",
        locate.REGISTRY_FILES,
        locate.registry_jar,
    ),
)
PACKAGES = (
    Package("openjdk-17-jre-headless", "Kafka and the schema registry", locate.java),
    Package("postgresql", "PostgreSQL", locate.postgres_bin),
    Package("prometheus", "Prometheus and promtool", lambda: locate.program("promtool", "prometheus")),
    Package("prometheus-alertmanager", "amtool", lambda: locate.program("amtool", "prometheus-alertmanager")),
    Package("chromium", "the console in a browser", lambda: locate.program("chromium", "chromium")),
)
AXE = Asset(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    ("axe.min.js",),
)
MAVEN = Package("maven", "fetching the jars", lambda: locate.program("mvn", "maven"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is missing, print a line for each server, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.fetch", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only report, install nothing")
    parser.add_argument("--strict", action="store_true", help="end with status 1 when something is missing")
    options = parser.parse_args(arguments)
    if not options.check:
        fetch()
    missing = report()
    if missing:
        print(f"warning: {missing} of {len(PACKAGES) + len(JARS) + 1} missing; tests that need them cannot run")
    return 1 if missing and options.strict else 0


def fetch() -> None:
    """Install missing packages and jars, one run at a time on this checkout."""
    packages = [package for package in PACKAGES if not _found(package.find)]
    jars = [jar for jar in JARS if not jar.present()]
    if jars and not _found(MAVEN.find):
        packages.append(MAVEN)
    if not packages and not jars and AXE.present(locate.AXE):
        return
    with _one_at_a_time():
        if packages:
            _install_packages([package.name for package in packages])
        for jar in jars:
            if not jar.present():
                _fetch_jars(jar)
        if problem := fetch_asset(AXE, locate.AXE):
            print(f"cannot fetch {AXE.package}: {problem}")


def report() -> int:
    """Print what is there and how to get the rest; return how much is missing."""
    missing = 0
    for package in PACKAGES:
        if _found(package.find):
            print(f"ok       {package.needed_for} ({package.name})")
        else:
            missing += 1
            print(f"missing  {package.needed_for}: as root, apt-get install {package.name}")
    for jar in JARS:
        if jar.present():
            print(f"ok       {jar.name} ({_relative(jar.target)})")
        else:
            missing += 1
            print(f"missing  {jar.name}: needs Maven (apt-get install maven), then run this again")
    if AXE.present(locate.AXE):
        print(f"ok       {AXE.package} ({_relative(locate.AXE)})")
    else:
        missing += 1
        print(f"missing  {AXE.package}: needs npm (apt-get install npm), then run this again")
    return missing


def _install_packages(names: list[str]) -> None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        print(f"cannot install {', '.join(names)}: needs root and apt-get")
        return
    print(f"installing {', '.join(names)}", flush=True)
    lock = ["-o", "DPkg::Lock::Timeout=300"]
    with _no_service_starts():
        _run([apt, *lock, "-qq", "update"])
        # One by one: a package that this release does not have must not keep out the others.
        for name in names:
            _run([apt, *lock, "-qq", "install", "-y", "--no-install-recommends", name])


def _fetch_jars(jar: Jars) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        print(f"cannot fetch {jar.name}: Maven is not installed")
        return
    print(f"fetching {jar.name} with Maven", flush=True)
    jar.target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jar.target.parent, prefix=".fetch-") as folder:
        made = Path(folder) / "files"
        goal = [f"dependency:{jar.goal}", "-DincludeScope=runtime", f"-DoutputDirectory={made}"]
        # -C: a file whose checksum is wrong is an error.
        if not _run([maven, "-q", "-B", "-ntp", "-C", "-f", str(jar.pom), *goal]):
            return
        if not any(made.glob("*.jar")):
            print(f"failed: Maven left no jars for {jar.name}", flush=True)
            return
        (made / _STAMP).write_text(jar.stamp() + "\n")
        shutil.rmtree(jar.target, ignore_errors=True)
        made.rename(jar.target)


def _run(command: list[str]) -> bool:
    """Run a command that prints only problems; say whether it went well."""
    done = subprocess.run(
        command,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(f"failed ({done.returncode}): {' '.join(command)}\n{done.stdout[-2_000:]}", flush=True)
    return done.returncode == 0


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep Debian's packages from starting their services; an administrator's own policy is left alone."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    locate.SHARE.mkdir(parents=True, exist_ok=True)
    with (locate.SHARE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _found(find: Callable[[], Path]) -> bool:
    try:
        find()
    except ServerUnavailableError:
        return False
    return True


def _relative(path: Path) -> str:
    return str(path.relative_to(locate.REPOSITORY))


if __name__ == "__main__":
    sys.exit(main())
