"""Client configuration: librdkafka's settings from a WorkerConfig, and the same security for Faust."""

from __future__ import annotations

import ssl
from typing import Any

import faust
from faust.types.auth import CredentialsT

from agents.kafka.brokers import SILENT
from agents.process.exits import RefusedError
from agents.settings.worker import WorkerConfig
from schemas.topics import LARGEST_MESSAGE_BYTES

_QUIET = {"log.connection.close": False, "log_level": SILENT}


def client(config: WorkerConfig) -> dict[str, Any]:
    """What every librdkafka client needs."""
    return {"bootstrap.servers": config.bootstrap, **_QUIET, **config.security}


def producer(config: WorkerConfig) -> dict[str, Any]:
    """Producer that loses, repeats and reorders nothing while it lives."""
    return client(config) | {
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",
        "delivery.timeout.ms": config.delivery_timeout_ms,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 64 * 1024,
        "message.max.bytes": LARGEST_MESSAGE_BYTES,
    }


def reader(config: WorkerConfig) -> dict[str, Any]:
    """Consumer that is in no group and reads what it is told to, to the end."""
    return client(config) | {
        "group.id": f"{config.group}-reader",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_uncommitted",
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
        "fetch.message.max.bytes": 4 * 1024 * 1024,
        "queued.min.messages": 200_000,
        "queued.max.messages.kbytes": 128 * 1024,
    }


def _context(config: WorkerConfig) -> ssl.SSLContext:
    security = config.security
    context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
    if certificate := security.get("ssl.certificate.location"):
        context.load_cert_chain(certificate, security.get("ssl.key.location"), security.get("ssl.key.password"))
    if security.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    return context


def credentials(config: WorkerConfig) -> CredentialsT | None:
    """The same security for Faust's consumer. Raises RefusedError for what it cannot do."""
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
