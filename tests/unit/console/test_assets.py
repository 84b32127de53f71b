"""What pages load from elsewhere is what was pinned, or it is not there."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from agents.console import assets
from agents.console.assets import ASSETS, VENDOR, Asset

CONTENT = b"window.lib = 1"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "lib.tgz"
    with tarfile.open(path, "w:gz") as packed:
        member = tarfile.TarInfo("package/dist/lib.js")
        member.size = len(CONTENT)
        packed.addfile(member, io.BytesIO(CONTENT))
    return path


def asset(archive: Path, *files: str) -> Asset:
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    return Asset("lib", "1.0.0", f"sha512-{digest}", files or ("dist/lib.js",))


def test_the_files_of_the_package_are_put_where_they_are_served_from(archive: Path, tmp_path: Path) -> None:
    wanted, folder = asset(archive), tmp_path / "vendor"
    assert not wanted.present(folder)
    wanted.unpack(archive, folder)
    assert wanted.present(folder)
    assert (folder / "lib.js").read_bytes() == CONTENT
    assert not Asset("lib", "1.0.1", "sha512-other", wanted.files).present(folder)


def test_another_package_under_the_same_name_is_refused(archive: Path, tmp_path: Path) -> None:
    wanted = asset(archive)
    archive.write_bytes(archive.read_bytes() + b" ")
    with pytest.raises(ValueError, match="not the package that was pinned"):
        wanted.unpack(archive, tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()


def test_without_npm_it_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(assets, "VENDOR", tmp_path)
    assert assets.main() == 0
    said = capsys.readouterr().out
    assert said.count("npm is not installed") == len(ASSETS)
    assert "the console works without it" in said


def test_every_asset_is_pinned_by_a_whole_digest() -> None:
    for each in ASSETS:
        assert len(base64.b64decode(each.integrity.removeprefix("sha512-"))) == 64
    assert VENDOR.parent.name == "static"
