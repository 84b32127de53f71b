from __future__ import annotations

import pytest

from agents.settings import ConfigError, load


def refused(**variables: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(None, {f"FORESHOCK_{name}": value for name, value in variables.items()})
    return str(caught.value)


def test_plain_text_to_another_machine_is_refused_unless_it_is_asked_for() -> None:
    assert "unencrypted to kafka-1" in refused(KAFKA__BOOTSTRAP="127.0.0.1:9092,kafka-1:9092")
    load(None, {"FORESHOCK_KAFKA__BOOTSTRAP": "kafka-1:9092", "FORESHOCK_KAFKA__INSECURE": "true"})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "[::1]"])
def test_plain_text_within_this_machine_is_fine(host: str) -> None:
    load(None, {"FORESHOCK_KAFKA__BOOTSTRAP": f"{host}:9092"})


@pytest.mark.parametrize("bootstrap", ["kafka", "kafka:", ":9092", "kafka:0", "kafka:70000", "kafka:9092,", ""])
def test_brokers_must_have_a_host_and_a_port(bootstrap: str) -> None:
    assert "must be host:port" in refused(KAFKA__BOOTSTRAP=bootstrap)


def test_sasl_needs_a_user_and_a_password() -> None:
    message = refused(KAFKA__PROTOCOL="SASL_SSL")
    assert "kafka.sasl_username: is needed for SASL_SSL" in message
    assert "kafka.sasl_password: is needed for SASL_SSL" in message


def test_a_registry_needs_its_address() -> None:
    assert "registry.url: is needed when registry.kind is http" in refused(REGISTRY__KIND="http")


def test_seconds_and_days_become_what_the_core_counts_in() -> None:
    engine = load(
        None,
        {
            "FORESHOCK_TIME__OUT_OF_ORDERNESS_S": "120",
            "FORESHOCK_TIME__ALLOWED_LATENESS_D": "2",
            "FORESHOCK_TIME__MAX_SKEW_S": "5",
            "FORESHOCK_APP__TIMEZONE": "Europe/Berlin",
            "FORESHOCK_LIMITS__USERS_PER_ACCOUNT": "11",
        },
    ).engine()
    assert engine.out_of_orderness_ms == 120_000
    assert engine.allowed_lateness_days == 2
    assert engine.max_skew_ms == 5_000
    assert engine.timezone == "Europe/Berlin"
    assert engine.max_users == 11


def test_the_defaults_of_the_settings_are_those_of_the_core_and_of_the_worker() -> None:
    from agents.settings.worker import WorkerConfig
    from pipeline.config import EngineConfig

    settings = load(None, {})
    assert settings.engine() == EngineConfig()
    assert settings.worker() == WorkerConfig(bootstrap="127.0.0.1:9092", engine=EngineConfig())


def test_a_worker_gets_the_security_of_the_brokers() -> None:
    worker = load(
        None,
        {
            "FORESHOCK_KAFKA__BOOTSTRAP": "kafka-1:9093",
            "FORESHOCK_KAFKA__PROTOCOL": "SASL_SSL",
            "FORESHOCK_KAFKA__SASL_USERNAME": "foreshock",
            "FORESHOCK_KAFKA__SASL_PASSWORD": "secret",
        },
    ).worker()
    assert worker.security == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "foreshock",
        "sasl.password": "secret",
    }
