"""The root of every error of ours, and those of the wire. The number is the exit code of the process that it ends.

ForeshockError                       1  what was asked for was not done; its message is for whoever asked
  UsageError                         2  what was given cannot be used
    ConfigError                         the settings, with every problem
    EventFileError                      the event files, with every problem
    FolderError                         the demo's folder
    FailpointError                      the variable of the fault tests
    ScorecardError                      the scorecards and profiles
    UnknownLabelKindError               the labels of a backtest
    CommandError                        a command of a person, with every problem
    EventError                          an event that a client was given, with every problem
    SpoolError                          the file of a client's spool
  UnreachableError                  69  no broker answers: start again later
  BrokenError                       70  a fault of ours or of a server: nothing unfinished is acknowledged
    InvariantError                      what delivery guarantees rest on does not hold
    OffsetGapError                      records were skipped on their way to the core
    PublishError                        a record was not acknowledged
    ChangelogError                      the changelog cannot be read to its end
    SnapshotError                       a value in it cannot be read
  DeadLetterLimitError              74  too much is dead-lettered
  RefusedError                      78  the topics do not fit: a person must decide
  SchemaError                           a record and its schema
    RegistryUnavailableError            its records wait; none is bad because of that
    UnknownSchemaError                  its records are dead-lettered
    IncompatibleSchemaError             its records are dead-lettered
    MalformedError                      the record is dead-lettered
    EncodeError                         a fault of the caller
  SinkError                             a batch and its destination
    SinkUnavailableError                the batch is kept and tried again
      CommitUnknownError                so it is, once the positions were read again
    PositionConflictError               nothing was written; the positions are read again
    SinkRejectedError                   the records named are dead-lettered, the others written
    ContentRefusedError                 a message that can never be sent is kept as failed
    UnknownAccountError                 nothing is known of the account asked for
  SignInNeededError                     nobody is signed in
  ForbiddenError                        the person's role does not allow it
  NotSeenError                          there is no such case or account for this person
  EmitError                             event files were not delivered
  FullError                             a client has no room for an event
  ReplayError                           dead letters were not put back
  StuckError                            the consumers do not move
  EmbeddedBrokerError                   the demo's broker did not start
  DemoError                             the demo did not come to its end
  UnreadableError                       caught: told as an EventFileError
  UnstorableError                       caught: told as a SinkRejectedError
  Interrupted                           caught: another rebalance made a recovery pointless
"""

from __future__ import annotations

from typing import ClassVar


class ForeshockError(Exception):
    """Root of our errors: what was asked for was not done, and the message says why."""

    exit_code: ClassVar[int] = 1
    """Of the process that the error ends."""


class UsageError(ForeshockError):
    """Something that was given cannot be used."""

    exit_code = 2


class BrokenError(ForeshockError):
    """A fault: a process ends at once, with nothing unfinished acknowledged, and its traceback is worth keeping."""

    exit_code = 70


class SchemaError(ForeshockError):
    """A record and its schema do not come together."""


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
