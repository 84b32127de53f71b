"""What can go wrong on the wire, and who must act."""

from __future__ import annotations


class SchemaError(Exception):
    """Root of this package's errors."""


class RegistryUnavailableError(SchemaError):
    """The registry did not answer; no record is bad because of that. Pause the partition and try again."""


class UnknownSchemaError(SchemaError):
    """The registry answered that it has no such schema."""


class IncompatibleSchemaError(SchemaError):
    """Records of this writer schema cannot be read with ours."""


class MalformedError(SchemaError):
    """These bytes are not one record of the schema that they name."""

    def __init__(self, reason: str, detail: str) -> None:
        """Args: the reason as in dead letters, and what was found."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class EncodeError(SchemaError):
    """A record that we were to write does not fit its schema: a fault of the caller."""
