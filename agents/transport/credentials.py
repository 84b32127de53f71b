"""The security of the Kafka clients, as Faust's consumer takes it."""

from __future__ import annotations

import ssl

import faust
from faust.types.auth import CredentialsT

from agents.process.exits import RefusedError
from agents.settings.worker import WorkerConfig


def credentials(config: WorkerConfig) -> CredentialsT | None:
    """Those of a worker; None for an unencrypted connection. Raises RefusedError for what Faust cannot do."""
    protocol = config.security.get("security.protocol", "plaintext").lower()
    if protocol == "plaintext":
        return None
    context = _context(config) if protocol.endswith("ssl") else None
    if protocol == "ssl":
        return faust.SSLCredentials(context)
    mechanism = config.security.get("sasl.mechanism", config.security.get("sasl.mechanisms", "")).upper()
    if mechanism not in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}:
        message = f"sasl.mechanism {mechanism!r}: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        raise RefusedError(message)
    return faust.SASLCredentials(
        username=config.security.get("sasl.username"),
        password=config.security.get("sasl.password"),
        mechanism=mechanism,
        ssl_context=context,
    )


def _context(config: WorkerConfig) -> ssl.SSLContext:
    security = config.security
    context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
    if certificate := security.get("ssl.certificate.location"):
        context.load_cert_chain(certificate, security.get("ssl.key.location"), security.get("ssl.key.password"))
    if security.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    return context
