"""All settings together, and what they become for the core and for the worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, InstanceOf

from agents.settings import sections, web
from agents.settings.notify import Notify
from agents.settings.sections import stage_length
from pipeline.notify.routing import Person, Route, Routing
from pipeline.scorecards.card import Scorecard
from pipeline.scorecards.profiles import HealthProfile
from sinks.channels.channel import Receiver
from sinks.channels.table import CHANNELS
from sinks.database.settings import Database
from sinks.section import Section, holds_secret, revealed
from sinks.table import SINKS

if TYPE_CHECKING:
    from agents.settings.worker import WorkerConfig
    from pipeline.config import EngineConfig


_ONLY_ERRORS = 3
"""Of the levels of syslog: librdkafka's warnings tell of retries that it does by itself."""


class Settings(Section):
    """Validated settings of one process; `agents.settings.load` makes them."""

    kafka: sections.Kafka = Field(default_factory=sections.Kafka)
    registry: sections.Registry = Field(default_factory=sections.Registry)
    sinks: Mapping[str, InstanceOf[Section]] = Field(
        default_factory=lambda: {name: sink.section() for name, sink in SINKS.items()}
    )
    """A section for each destination of the table."""
    app: sections.App = Field(default_factory=sections.App)
    time: sections.Time = Field(default_factory=sections.Time)
    limits: sections.Limits = Field(default_factory=sections.Limits)
    alert_budget: sections.AlertBudget = Field(default_factory=sections.AlertBudget)
    detection: sections.Detection = Field(default_factory=sections.Detection)
    health: sections.Health = Field(default_factory=sections.Health)
    kinds: sections.Kinds = Field(default_factory=sections.Kinds)
    calendar: sections.Calendar = Field(default_factory=sections.Calendar)
    checkpoint: sections.Checkpoint = Field(default_factory=sections.Checkpoint)
    dead_letters: sections.DeadLetters = Field(default_factory=sections.DeadLetters)
    notify: Notify = Field(default_factory=Notify)
    metrics: sections.Metrics = Field(default_factory=sections.Metrics)
    log: sections.Log = Field(default_factory=sections.Log)
    console: web.Console = Field(default_factory=web.Console)
    access: web.Access = Field(default_factory=web.Access)
    scorecards: tuple[InstanceOf[Scorecard], ...] = ()
    profiles: tuple[InstanceOf[HealthProfile], ...] = ()
    receivers: tuple[InstanceOf[Receiver], ...] = ()
    routes: tuple[InstanceOf[Route], ...] = ()
    people: tuple[InstanceOf[Person], ...] = ()

    @property
    def database(self) -> Database:
        """The database's section: commands and people read there too."""
        section = self.sinks["database"]
        if not isinstance(section, Database):
            raise TypeError(section)
        return section

    def section(self, name: str) -> Section:
        """The section of that name, which is one of `SECTIONS`."""
        found: Section = self.sinks[name] if name in SINKS else getattr(self, name)
        return found

    def engine(self) -> EngineConfig:
        """What decides the result of a given input."""
        from agents.settings.shutdowns import planned_shutdown
        from pipeline.config import EngineConfig

        return EngineConfig(
            out_of_orderness_ms=self.time.out_of_orderness_s * 1000,
            allowed_lateness_days=self.time.allowed_lateness_d,
            max_skew_ms=self.time.max_skew_s * 1000,
            timezone=self.app.timezone,
            false_per_owner_per_week=self.alert_budget.false_per_owner_per_week,
            accounts_per_owner=self.alert_budget.accounts_per_owner,
            arl_days=self.detection.arl_days,
            prior_daily_actions=(
                self.detection.prior_actions,
                self.detection.prior_actions_digital,
                self.detection.prior_actions_high_touch,
                self.detection.prior_actions_strategic,
            ),
            basic_drop_pct=self.detection.basic_drop_pct,
            basic_min_actions=self.detection.basic_min_actions,
            max_users=self.limits.users_per_account,
            max_features=self.limits.features_per_account,
            max_book_entries=self.limits.book_entries,
            max_dedup_ids=self.limits.dedup_ids,
            fleet_min_accounts=self.detection.fleet_min_accounts,
            shutdowns=tuple(planned_shutdown(text) for text in self.calendar.shutdowns),
            p1_sla_hours=self.detection.p1_sla_hours,
            test_accounts=self.detection.test_accounts,
            stage_days=tuple(stage_length(text) for text in self.health.stage_days),
            enabled_kinds=self.kinds.enabled,
            disabled_kinds=self.kinds.disabled,
            scorecards=self.scorecards,
            health_scorecards=self.health.scorecards,
            profiles=self.profiles,
            shadow_kinds=self.kinds.shadow,
        )

    def routing(self) -> Routing:
        """What decides who is told of a case."""
        notify = self.notify
        return Routing(
            routes=self.routes,
            people={person.owner: person for person in self.people},
            channels={receiver.name: receiver.channel for receiver in self.receivers},
            without_digest=frozenset(each.name for each in self.receivers if not CHANNELS[each.channel].digests),
            timezone=self.app.timezone,
            immediate=notify.immediate,
            quiet=notify.quiet,
            digest_at=notify.digest_at,
            escalate_to=notify.escalate_to,
            escalate_after_ms=notify.escalate_after_m * 60_000,
            oldest_ms=notify.oldest_h * 3_600_000,
            console_url=self.console.public_url,
        )

    def worker(self, *, embedded: bool = False, accept_epoch: bool = False) -> WorkerConfig:
        """Configuration of a worker process; `embedded`: its broker is the embedded one."""
        from agents.settings.worker import TickSettings, WorkerConfig

        return WorkerConfig(
            bootstrap=self.kafka.bootstrap,
            group=self.app.group,
            engine=self.engine(),
            session_timeout_ms=self.kafka.session_timeout_s * 1000,
            checkpoint_interval_s=self.checkpoint.interval_s,
            checkpoint_max_interval_s=self.checkpoint.max_interval_s,
            max_batch_records=self.checkpoint.batch_records,
            max_batch_bytes=self.checkpoint.batch_bytes,
            fetch_max_bytes=self.checkpoint.batch_bytes,
            ticks=TickSettings(self.time.idle_timeout_s, self.time.tick_interval_s, self.time.clock),
            dead_letter_limit=self.dead_letters.limit,
            embedded=embedded,
            accept_epoch=accept_epoch,
            security=self.kafka_security(),
        )

    def kafka_security(self) -> dict[str, str]:
        """librdkafka settings for TLS and SASL; empty for an unencrypted connection."""
        kafka = self.kafka
        security: dict[str, str] = {}
        if kafka.protocol != "PLAINTEXT":
            security["security.protocol"] = kafka.protocol
        if kafka.protocol.startswith("SASL"):
            security["sasl.mechanism"] = kafka.sasl_mechanism
            security["sasl.username"] = kafka.sasl_username or ""
            security["sasl.password"] = revealed(kafka.sasl_password) or ""
        if kafka.ca_file is not None:
            security["ssl.ca.location"] = str(kafka.ca_file)
        return security

    def kafka_client(self) -> dict[str, str | int | bool]:
        """What every librdkafka client outside the worker needs."""
        return {
            "bootstrap.servers": self.kafka.bootstrap,
            "log_level": _ONLY_ERRORS,
            **self.kafka_security(),
        }

    def database_url(self) -> str:
        """The database's URL with its password: for the driver, never for people."""
        return self.database.full_url()


def _sections() -> Iterator[tuple[str, type[Section]]]:
    for name, field in Settings.model_fields.items():
        if name == "sinks":
            yield from ((each, sink.section) for each, sink in SINKS.items())
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield name, field.annotation


SECTIONS: dict[str, type[Section]] = dict(_sections())


def settings_of(found: Mapping[str, Section], tables: Mapping[str, tuple[Any, ...]]) -> Settings:
    """Settings of valid sections, all of them, and of the tables that a file may repeat, by name."""
    own: dict[str, Any] = {name: section for name, section in found.items() if name not in SINKS}
    return Settings(**own, sinks={name: found[name] for name in SINKS}, **tables)


def is_secret(section: str, name: str) -> bool:
    """Whether a setting's value must never be shown."""
    return holds_secret(SECTIONS[section].model_fields[name])
