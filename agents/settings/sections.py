"""The sections of the settings; each field's description is its documentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr

from agents.settings.shutdowns import valid_shutdowns
from pipeline.kinds import require_known
from sinks.section import Conflict, Names, Section, is_loopback

Positive = Annotated[int, Field(ge=1)]
PriorActions = Annotated[float, Field(gt=0, le=1_000_000)]


def _known_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        message = "is not a time zone of the IANA database; write it like Europe/Berlin or UTC"
        raise ValueError(message) from error
    return name


def _broker_list(text: str) -> str:
    for entry in text.split(","):
        _host, colon, port = entry.strip().rpartition(":")
        if not (_host and colon and port.isdigit() and 0 < int(port) < 65536):
            message = "must be host:port, several of them separated by commas"
            raise ValueError(message)
    return text


class Kafka(Section):
    """The brokers."""

    bootstrap: Annotated[str, AfterValidator(_broker_list)] = Field(
        "127.0.0.1:9092", description="Brokers to ask first, as host:port, separated by commas."
    )
    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="SASL_SSL in production; unencrypted only to this machine."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="Used when the protocol is SASL_SSL or SASL_PLAINTEXT."
    )
    sasl_username: str | None = Field(None, description="User name for SASL.")
    sasl_password: SecretStr | None = Field(None, description="Password for SASL.")
    ca_file: Path | None = Field(None, description="Certificates to trust; without it, the system's.")
    insecure: bool = Field(
        False,
        description="Allow an unencrypted connection to other machines (for tests on a closed network).",
    )
    replication_factor: Annotated[int, Field(ge=1, le=32)] = Field(
        3, description="Copies of each topic that `foreshock topics apply` creates; 1 for a single broker."
    )
    session_timeout_s: Annotated[int, Field(ge=6, le=1800)] = Field(
        30, description="A worker that is not heard for so long loses its partitions to the others."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Security that is half set up, or left out towards other machines."""
        hosts = [entry.strip().rpartition(":")[0] for entry in self.bootstrap.split(",")]
        away = [host for host in hosts if not is_loopback(host)]
        if self.protocol in {"PLAINTEXT", "SASL_PLAINTEXT"} and away and not self.insecure:
            yield (
                "protocol",
                f"{self.protocol} would send everything unencrypted to {', '.join(away)}; "
                "use SASL_SSL or SSL, or set kafka.insecure = true on a closed network",
            )
        if self.protocol.startswith("SASL"):
            if not self.sasl_username:
                yield "sasl_username", f"is needed for {self.protocol}"
            if not self.sasl_password or not self.sasl_password.get_secret_value():
                yield "sasl_password", f"is needed for {self.protocol}"
        if self.ca_file is not None and not self.ca_file.is_file():
            yield "ca_file", "there is no such file"


class Registry(Section):
    """Where schemas come from."""

    kind: Literal["files", "http"] = Field(
        "files", description="files: the schemas of this release; http: a Confluent-compatible registry."
    )
    url: str | None = Field(None, description="Base URL of the registry; needed when kind is http.")
    username: str | None = Field(None, description="User name for the registry.")
    password: SecretStr | None = Field(None, description="Password for the registry.")
    register_schemas: bool = Field(
        True, description="Add the schemas of this release to the registry when it lacks them."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """No address, or half of an identity."""
        if self.kind == "http" and not self.url:
            yield "url", "is needed when registry.kind is http"
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            yield "url", "must begin with http:// or https://"
        if bool(self.username) != (self.password is not None):
            yield "username", "and the password belong together; set both or neither"


class App(Section):
    """Identity of the deployment."""

    group: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,200}$")] = Field(
        "foreshock", description="Consumer group of the workers and prefix of the changelog topic."
    )
    timezone: Annotated[str, AfterValidator(_known_time_zone)] = Field(
        "UTC", description="Business time zone (IANA name): its midnight ends a day for every account."
    )
    partitions: Annotated[int, Field(ge=1, le=1024)] = Field(
        8, description="Partitions of every topic keyed by account. Never change it on running topics."
    )


class Time(Section):
    """Event time."""

    out_of_orderness_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        3_600,
        description="How far the watermark trails the newest event; a day closes that long after midnight.",
    )
    allowed_lateness_d: Annotated[int, Field(ge=1, le=7)] = Field(
        3, description="Days during which a late event still amends its closed day."
    )
    max_skew_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        600, description="An event dated further into the future than this is dead-lettered."
    )
    idle_timeout_s: Annotated[float, Field(gt=0, le=86_400)] = Field(
        30.0, description="A topic without records for so long is moved on by tick records."
    )
    tick_interval_s: Annotated[float, Field(gt=0, le=3_600)] = Field(
        10.0, description="Seconds between ticks of an idle topic."
    )
    clock: Literal["wall", "events"] = Field(
        "wall",
        description="What ticks carry: the time of day, or (for replays) what other topics have reached.",
    )


class Limits(Section):
    """Bounds of memory and of what a record may be."""

    record_bytes: Annotated[int, Field(ge=1_024, le=1_048_576)] = Field(
        65_536, description="A longer record of an input topic is dead-lettered without being decoded."
    )
    event_files_bytes: Annotated[int, Field(ge=1_048_576)] = Field(
        536_870_912,
        description="Rows of event files in memory; more are sorted on disk (TMPDIR).",
    )
    users_per_account: Positive = Field(500, description="Users remembered per account; the stalest is evicted.")
    features_per_account: Positive = Field(64, description="Features remembered per account, likewise.")
    book_entries: Positive = Field(
        500, description="Open tickets, invoices and subscriptions remembered per account, each."
    )
    dedup_ids: Positive = Field(20_000_000, description="Event ids remembered per partition and topic.")


class AlertBudget(Section):
    """How many false alarms are accepted: the one knob of all statistical detectors."""

    false_per_owner_per_week: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="False alarms that the owner of `accounts_per_owner` accounts accepts in a week."
    )
    accounts_per_owner: Positive = Field(50, description="Accounts of one owner.")


class Detection(Section):
    """What is detected, beside the alert budget."""

    arl_days: Annotated[float, Field(gt=1, le=1_000_000)] | None = Field(
        None,
        description="Average days between false alarms of one detector on one account, instead of the budget's.",
    )
    prior_actions: PriorActions = Field(
        10.0, description="Daily actions to expect of an account in its first weeks, before its own history counts."
    )
    prior_actions_digital: PriorActions = Field(5.0, description="The same for the touch model digital.")
    prior_actions_high_touch: PriorActions = Field(30.0, description="The same for the touch model high_touch.")
    prior_actions_strategic: PriorActions = Field(100.0, description="The same for the touch model strategic.")
    basic_drop_pct: Annotated[float, Field(ge=0, lt=100)] = Field(
        0.0, description="Alert when a week's actions fall by so many percent on the week before; 0 is off."
    )
    basic_min_actions: Annotated[float, Field(ge=0, le=1_000_000)] = Field(
        50.0, description="Actions that the week before must have had for that alert."
    )
    fleet_min_accounts: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        20, description="Accounts that must count on a day before the fleet, or a segment, is judged as a whole."
    )
    p1_sla_hours: Annotated[int, Field(ge=1, le=720)] = Field(
        24, description="Hours for which a P1 ticket may be open before it alerts, at the close of a day."
    )
    test_accounts: bool = Field(
        False, description="Judge and count accounts for tests (profile status test or internal) like any other."
    )


def _known_kinds(names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        require_known(names)
    except ValueError as error:
        message = f"{error}; `foreshock rules list` prints them"
        raise ValueError(message) from error
    return names


def stage_length(text: str) -> tuple[str, int]:
    """Stage and days of `STAGE=DAYS`. Raises ValueError on any other text."""
    stage, equals, days = text.rpartition("=")
    if not (stage.strip() and equals and days.strip().isdigit() and int(days) > 0):
        message = f"{text} is not a lifecycle stage with its days; write it like adoption=180"
        raise ValueError(message)
    return stage.strip(), int(days)


def _valid_stages(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        stage_length(text)
    return texts


Stages = Annotated[Names, AfterValidator(_valid_stages)]


class Health(Section):
    """Which scorecards judge the accounts; scorecards and profiles themselves stand at the end of the file."""

    scorecards: Names = Field(
        ("default",),
        description="Scorecards of accounts that no profile matches; the first that is not in shadow is primary.",
    )
    stage_days: Stages = Field(
        (), description="Lifecycle stages with the days that each should last at most, such as adoption=180."
    )


class Kinds(Section):
    """Which kinds of alert are raised."""

    enabled: Annotated[Names, AfterValidator(_known_kinds)] = Field(
        (), description="Kinds that are off unless named here, such as advocacy_moment."
    )
    disabled: Annotated[Names, AfterValidator(_known_kinds)] = Field(
        (), description="Kinds that are switched off; `foreshock rules list` prints all of them."
    )
    shadow: Annotated[Names, AfterValidator(_known_kinds)] = Field(
        (), description="Kinds on trial: their alerts go to alerts.shadow and to nobody else."
    )


class Calendar(Section):
    """Days off, beside the public holidays of each account's country and what signals announce."""

    shutdowns: Annotated[Names, AfterValidator(valid_shutdowns)] = Field(
        (), description='Times in which nothing is expected, such as "2026-12-24/2027-01-01; segment=smb; country=DE".'
    )


class Checkpoint(Section):
    """How often state becomes durable."""

    interval_s: Annotated[float, Field(gt=0, le=60)] = Field(1.0, description="Seconds between checkpoints.")
    max_interval_s: Annotated[float, Field(gt=0, le=300)] = Field(
        30.0, description="Longest time between two checkpoints while the worker is busy catching up."
    )
    batch_records: Annotated[int, Field(ge=1, le=100_000)] = Field(
        5_000, description="Records handed to the core at once."
    )
    batch_bytes: Annotated[int, Field(ge=65_536, le=67_108_864)] = Field(
        4_194_304, description="Bytes fetched from one partition at once."
    )


class DeadLetters(Section):
    """When to stop the worker instead of draining a topic into the dead letters: a producer's bad records never do."""

    limit: Positive = Field(
        1_000,
        description="Dead letters of a topic after which a release stops that has read none of its records, "
        "as the one before did.",
    )


class Metrics(Section):
    """The listener for Prometheus and for probes."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        9464, description="Port of /metrics, /-/healthy and /-/ready; 0 takes any free one."
    )


class Log(Section):
    """What is logged, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level shown.")
    json_lines: bool = Field(False, description="One JSON object a line instead of text for people.")
