"""What a person is told when no broker answers."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from agents.kafka import brokers, clients
from agents.process.exits import ExitCode, UnreachableError, code_of
from tests.servers.ports import free_port
from tests.support.patience import python

NOBODY = {"bootstrap.servers": "127.0.0.1:1"}


def test_no_answer_names_the_brokers_and_the_cause_once() -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(UnreachableError) as caught:
        brokers.topics_of({"bootstrap.servers": nobody}, 1.0)
    message = str(caught.value)
    assert message.startswith(f"no broker of {nobody} answered within 1 s: ")
    assert message.count("Connection refused") == 1


def test_a_worker_without_a_broker_ends_with_code_69_and_one_line(tmp_path: Path) -> None:
    config = tmp_path / "foreshock.toml"
    config.write_text(f'[kafka]\nbootstrap = "127.0.0.1:{free_port()}"\n[metrics]\nport = 0\n')
    code = (
        "import sys; from agents.worker import preflight; preflight._ASK_S = 1.0; "
        "from agents.cli import main; sys.argv[1:] = ['worker', '--config', sys.argv[1]]; main()"
    )
    ran = python(code, config)
    assert ran.returncode == ExitCode.UNREACHABLE
    assert "Traceback" not in ran.stderr
    assert ran.stderr.splitlines()[-1].count("stopping with exit code 69: no broker of 127.0.0.1:") == 1
    assert ran.stderr.count("Connection refused") == 1


def test_the_exit_code_is_not_that_of_a_fault() -> None:
    assert code_of(UnreachableError("x")) == 69
    assert code_of(OSError("x")) == 70


def test_a_complaint_is_logged_once_and_another_one_too(caplog: pytest.LogCaptureFixture) -> None:
    complain = clients.Complaints(logging.getLogger("test"), "producer")
    with caplog.at_level(logging.WARNING):
        for after_ms in range(100):
            complain(KafkaError(KafkaError._TRANSPORT, f"refused (after {after_ms}ms in state CONNECT)"))
        complain(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert [record.message for record in caplog.records] == ["producer: refused", "producer: 1/1 brokers are down"]


class Broker:
    """Answers requests in turn; what is an error fails them."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def __call__(self, _admin: AdminClient, _within_s: float) -> dict[str, Future[object]]:
        future: Future[object] = Future()
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            future.set_exception(KafkaException(KafkaError(answer)))
        else:
            future.set_result(answer)
        return {"events": future}


def test_a_silent_broker_is_given_up_for_another() -> None:
    broker = Broker(KafkaError._TIMED_OUT, KafkaError._TRANSPORT, "answer")
    assert brokers.ask(NOBODY, broker, timeout_s=30) == {"events": "answer"}
    assert broker.answers == []


def test_nobody_who_answers_is_said_in_one_line() -> None:
    with pytest.raises(UnreachableError, match=r"no broker of 127.0.0.1:1 answered within 0 s"):
        brokers.ask(NOBODY, Broker(KafkaError._TIMED_OUT, KafkaError._TIMED_OUT), timeout_s=0)


def test_what_a_broker_refuses_is_raised_unless_it_was_done_before() -> None:
    with pytest.raises(KafkaException):
        brokers.ask(NOBODY, Broker(KafkaError.TOPIC_ALREADY_EXISTS), timeout_s=30)
    exists = KafkaError.TOPIC_ALREADY_EXISTS
    assert brokers.ask(NOBODY, Broker(exists), timeout_s=30, done_if=exists) == {"events": None}
