"""What a section of the settings is: each destination declares its own."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr
from pydantic.fields import FieldInfo

Conflict = tuple[str, str]
"""Name of the setting to change, and why."""


def _separated(value: object) -> object:
    """Names separated by commas, as an environment variable has them."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_separated)]


class Section(BaseModel):
    """Base of all sections: immutable, unknown names are errors, each field's description is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)

    def conflicts(self) -> Iterator[Conflict]:
        """Yield what is wrong with the section although each of its settings is right."""
        yield from ()


def holds_secret(setting: FieldInfo) -> bool:
    """Whether a setting's value must never be shown."""
    return setting.annotation is SecretStr or SecretStr in get_args(setting.annotation)


def revealed(secret: SecretStr | None) -> str | None:
    """A secret in clear: for clients of servers, never for people."""
    return None if secret is None else secret.get_secret_value()


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    bare = host.strip().strip("[]")
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare.lower() == "localhost"
