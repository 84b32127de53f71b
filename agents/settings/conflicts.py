"""What is wrong with a section although each of its settings is right."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

from sqlalchemy import make_url

from agents.settings.sections import Database, Kafka, Registry, Section
from sinks.database.engine import database_url

Conflict = tuple[str, str]
"""Name of the setting to change, and why."""


def conflicts(section: str, values: Section) -> Iterator[Conflict]:
    """Yield what does not fit together within one valid section."""
    if check := _CHECKS.get(section):
        yield from check(values)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    bare = host.strip().strip("[]")
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare.lower() == "localhost"


def _kafka(kafka: Kafka) -> Iterator[Conflict]:
    hosts = [entry.strip().rpartition(":")[0] for entry in kafka.bootstrap.split(",")]
    away = [host for host in hosts if not is_loopback(host)]
    if kafka.protocol in {"PLAINTEXT", "SASL_PLAINTEXT"} and away and not kafka.insecure:
        yield (
            "protocol",
            f"{kafka.protocol} would send everything unencrypted to {', '.join(away)}; "
            "use SASL_SSL or SSL, or set kafka.insecure = true on a closed network",
        )
    if kafka.protocol.startswith("SASL"):
        if not kafka.sasl_username:
            yield "sasl_username", f"is needed for {kafka.protocol}"
        if not kafka.sasl_password or not kafka.sasl_password.get_secret_value():
            yield "sasl_password", f"is needed for {kafka.protocol}"
    if kafka.ca_file is not None and not kafka.ca_file.is_file():
        yield "ca_file", "there is no such file"


def _registry(registry: Registry) -> Iterator[Conflict]:
    if registry.kind == "http" and not registry.url:
        yield "url", "is needed when registry.kind is http"
    if registry.url is not None and not registry.url.startswith(("http://", "https://")):
        yield "url", "must begin with http:// or https://"
    if bool(registry.username) != (registry.password is not None):
        yield "username", "and the password belong together; set both or neither"


def _database(database: Database) -> Iterator[Conflict]:
    try:
        database_url(database.url)
    except ValueError as error:
        yield "url", str(error)
        return
    if make_url(database.url).password is not None and database.password is not None:
        yield "url", "holds a password although database.password is set; remove it from the URL"


_CHECKS: dict[str, Callable[..., Iterator[Conflict]]] = {
    "kafka": _kafka,
    "registry": _registry,
    "database": _database,
}
