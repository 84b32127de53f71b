"""Builds the wheel of the client (PEP 517): what it needs of `schemas`, under a name that no product has."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "foreshock_client"
_SCHEMAS = Path(__file__).resolve().parents[1]
_NEEDED = (
    "*.avsc", "released/*/*.avsc", "ids.json", "py.typed", "accounts.py", "avro.py", "definitions.py", "errors.py",
    "event_types.py", "reasons.py", "rules.py", "scales.py", "topics.py", "validation.py", "codec/rows.py",
    "registry/client.py", "registry/source.py", "client/awaitable.py", "client/client.py", "client/events.py",
    "client/fields.py", "client/spool.py",
)  # fmt: skip
_WHEEL = "Wheel-Version: 1.0\nGenerator: foreshock\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build_wheel(wheel_directory: str, _settings: object = None, _metadata_directory: str | None = None) -> str:
    """Write the wheel into a folder; its file name."""
    project = tomllib.loads((_SCHEMAS / "client/pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = f"{NAME}-{project['version']}.dist-info"
    files = {**dict(_modules()), f"{info}/METADATA": _metadata(project).encode(), f"{info}/WHEEL": _WHEEL.encode()}
    listed = [f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items()]
    files[f"{info}/RECORD"] = f"{''.join(listed)}{info}/RECORD,,\n".encode()
    name = f"{NAME}-{project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
    return name


def _modules() -> Iterator[tuple[str, bytes]]:
    """Paths in the wheel, and what is there."""
    yield f"{NAME}/__init__.py", _renamed(_SCHEMAS / "client/__init__.py")
    for path in sorted(path for pattern in _NEEDED for path in _SCHEMAS.glob(pattern)):
        yield f"{NAME}/{path.relative_to(_SCHEMAS)}", _renamed(path)


def _renamed(path: Path) -> bytes:
    """A file; a module imports from the wheel's own package."""
    content = path.read_bytes()
    if path.suffix != ".py":
        return content
    return re.sub(rb"^(\s*from )schemas\b", rb"\1" + NAME.encode(), content, flags=re.MULTILINE)


def _metadata(project: dict[str, Any]) -> str:
    lines = ["Metadata-Version: 2.4", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Summary: {project['description']}", f"License-Expression: {project['license']}"]
    lines += [f"Requires-Python: {project['requires-python']}"]
    lines += [f"Requires-Dist: {needed}" for needed in project["dependencies"]]
    for extra, more in project["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}", *(f'Requires-Dist: {needed}; extra == "{extra}"' for needed in more)]
    return "\n".join(lines) + "\n"


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
