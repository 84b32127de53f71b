"""The schema registry that the settings name."""

from __future__ import annotations

from agents.settings import Settings
from schemas.registry.client import HttpRegistry
from schemas.registry.source import FileRegistry


def open_registry(settings: Settings) -> FileRegistry | HttpRegistry:
    """Packaged files, or a client of the server; nothing is asked yet."""
    chosen = settings.registry
    if chosen.kind == "files" or chosen.url is None:
        return FileRegistry()
    auth = None
    if chosen.username is not None and chosen.password is not None:
        auth = (chosen.username, chosen.password.get_secret_value())
    return HttpRegistry(chosen.url, auth, register=chosen.register_schemas)
