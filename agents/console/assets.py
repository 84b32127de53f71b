"""Fetch what the console's pages load from elsewhere; pinned, and unpacked where they are served from.

`python -m agents.console.assets` is idempotent and quick when all is there. It asks npm, and so the registry that this
machine is set up for. Standard library only: it runs before the packages are installed, too.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parent / "static" / "vendor"
_STAMP = ".fetched"


@dataclass(frozen=True)
class Asset:
    """Files of one package of npm."""

    package: str
    version: str
    integrity: str
    """Of the package, as npm writes it: sha512- and base64."""
    files: tuple[str, ...]
    """Paths within the package; they are put side by side."""

    def present(self, folder: Path) -> bool:
        """Say whether the files are there, and are those of this version."""
        stamp = folder / f"{_STAMP}-{self.package}"
        found = all((folder / Path(name).name).is_file() for name in self.files)
        return found and stamp.is_file() and stamp.read_text() == self.integrity

    def unpack(self, archive: Path, folder: Path) -> None:
        """Put the files of a package into a folder.

        Raises:
            ValueError: it is not the package that was pinned.
        """
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != self.integrity:
            message = f"{self.package} {self.version} is not the package that was pinned"
            raise ValueError(message)
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as packed:
            for name in self.files:
                member = packed.extractfile(f"package/{name}")
                if member is None:
                    message = f"{self.package} {self.version} has no {name}"
                    raise ValueError(message)
                (folder / Path(name).name).write_bytes(member.read())
        (folder / f"{_STAMP}-{self.package}").write_text(self.integrity)


ASSETS = (
    Asset(
        "htmx.org",
        "2.0.11",
        "sha512-Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
        ("dist/htmx.min.js",),
    ),
    Asset(
        "uplot",
        "1.6.32",
        "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        ("dist/uPlot.iife.min.js", "dist/uPlot.min.css"),
    ),
)


def fetch(asset: Asset, folder: Path) -> str | None:
    """Put an asset into a folder unless it is there; returns what is in the way, or None."""
    if asset.present(folder):
        return None
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    with tempfile.TemporaryDirectory() as work:
        command = [npm, "pack", f"{asset.package}@{asset.version}", "--silent", "--pack-destination", work]
        done = subprocess.run(  # noqa: S603
            command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        archives = list(Path(work).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            return f"npm pack failed: {done.stderr.strip()[-500:]}"
        try:
            asset.unpack(archives[0], folder)
        except (ValueError, KeyError, tarfile.TarError) as error:
            return str(error)
    return None


def main() -> int:
    """Fetch all assets and print a line for each; 0 in any case, since the console works without them."""
    for asset in ASSETS:
        problem = fetch(asset, VENDOR)
        if problem is None:
            print(f"ok       {asset.package} {asset.version}")
        else:
            print(f"missing  {asset.package} {asset.version}: {problem}")
            print("         the console works without it: pages do not renew themselves, charts are plain drawings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
