from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import ConfigError, Settings, load, masked, masked_url

SECRET = "hunter2-and-more"
SASL = {"FORESHOCK_KAFKA__PROTOCOL": "SASL_SSL", "FORESHOCK_KAFKA__SASL_USERNAME": "foreshock"}


def everything_shown(settings: Settings) -> str:
    return f"{settings!r} {settings} {masked(settings)} {settings.model_dump_json()}"


def test_a_secret_from_the_environment_is_used_and_never_shown() -> None:
    settings = load(None, {**SASL, "FORESHOCK_KAFKA__SASL_PASSWORD": SECRET})
    assert settings.kafka_security()["sasl.password"] == SECRET
    assert SECRET not in everything_shown(settings)
    assert masked(settings)["kafka"]["sasl_password"] == "***"


def test_a_secret_may_come_from_a_file_that_ends_with_a_newline(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(SECRET + "\n")
    settings = load(None, {**SASL, "FORESHOCK_KAFKA__SASL_PASSWORD_FILE": str(file)})
    assert settings.kafka_security()["sasl.password"] == SECRET


def test_a_secret_given_twice_or_from_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    variables = {
        **SASL,
        "FORESHOCK_KAFKA__SASL_PASSWORD": SECRET,
        "FORESHOCK_KAFKA__SASL_PASSWORD_FILE": str(tmp_path / "password"),
        "FORESHOCK_DATABASE__PASSWORD_FILE": str(tmp_path / "nowhere"),
    }
    with pytest.raises(ConfigError) as caught:
        load(None, variables)
    assert "FORESHOCK_KAFKA__SASL_PASSWORD is set too; keep one" in str(caught.value)
    assert "the file cannot be read: No such file or directory" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f'[kafka]\nsasl_password = "{SECRET}"', "FORESHOCK_KAFKA__SASL_PASSWORD_FILE"),
        (f'[database]\nurl = "postgresql://u:{SECRET}@h/n"', "FORESHOCK_DATABASE__PASSWORD"),
        (f'[registry]\nkind = "http"\nurl = "https://u:{SECRET}@h/"', "FORESHOCK_REGISTRY__PASSWORD"),
    ],
)
def test_a_secret_in_the_file_of_settings_is_refused(tmp_path: Path, text: str, hint: str) -> None:
    file = tmp_path / "foreshock.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert hint in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_wrong_url_shows_its_mistake_and_not_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"FORESHOCK_DATABASE__URL": f"mysql://u:{SECRET}@h/n"})
    assert "database 'mysql' is not supported" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_password_is_put_into_the_url_for_the_driver_alone() -> None:
    settings = load(
        None,
        {
            "FORESHOCK_DATABASE__URL": "postgresql://u@h/n",
            "FORESHOCK_DATABASE__PASSWORD": "p@ss:w/rd",
        },
    )
    assert settings.database_url() == "postgresql://u:p%40ss%3Aw%2Frd@h/n"
    assert "p@ss" not in everything_shown(settings)


def test_a_url_that_cannot_be_parsed_is_masked_as_a_whole() -> None:
    assert masked_url(f"postgresql://u:{SECRET}@h:notaport/n") == "***"
