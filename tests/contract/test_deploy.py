"""What deploy/ ships is whole: settings, rules, dashboard and manifests name only what exists."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from agents.cli import app
from agents.settings import Settings, load, sample
from agents.settings.model import SECTIONS
from agents.settings.sources import FILE_SUFFIX, PREFIX, variable
from agents.web.app import build
from schemas.topics import TOPICS
from sinks.channels.table import CHANNELS
from sinks.metric_defs import METRICS
from tests.servers.prometheus import amtool, promtool
from tests.support.patience import finished
from tests.support.repository import ROOT, project, text

DEPLOY = ROOT / "deploy"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(text("deploy/prometheus/rules.yml"))["groups"] for rule in group["rules"]
]
RULE_TESTS = ("rules_test.yml", "rules_week_test.yml")
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
DASHBOARD: dict[str, Any] = json.loads(text("deploy/grafana/foreshock.json"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
PANEL_EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
VARIABLES = {variable(section, name) for section, kind in SECTIONS.items() for name in kind.model_fields} | {
    variable("receivers", f"sales__{name}") for spec in CHANNELS.values() for name in spec.receiver.model_fields
}


def exported_names() -> dict[str, set[str]]:
    """Names of all series on /metrics with their labels."""
    names: dict[str, set[str]] = {}
    for spec in METRICS:
        labels = {label.name for label in spec.labels}
        if spec.kind == "histogram":
            names |= {
                f"{spec.name}_bucket": labels | {"le"},
                f"{spec.name}_count": labels,
                f"{spec.name}_sum": labels,
            }
        else:
            names[spec.name] = labels
    return names


def rule_tests() -> list[dict[str, Any]]:
    return [test for name in RULE_TESTS for test in yaml.safe_load(text(f"deploy/prometheus/{name}"))["tests"]]


def commands() -> dict[str, Any]:
    """The command line's commands and groups."""
    return dict(typer.main.get_group(app).commands)


# Settings


def test_the_sample_file_lists_every_setting_with_its_default() -> None:
    assert text("deploy/foreshock.toml") == sample()


def test_the_sample_file_loads_and_changes_nothing() -> None:
    assert load(DEPLOY / "foreshock.toml", {}) == load(None, {})


# Rules


@pytest.mark.parametrize("expression", [rule["expr"] for rule in RULES] + PANEL_EXPRESSIONS)
def test_an_expression_uses_only_metrics_and_labels_that_exist(expression: str) -> None:
    exported = exported_names()
    for name, matchers in re.findall(r"(?<![:\w])(foreshock_\w+)(?:\{([^}]*)\})?", expression):
        assert name in exported, f"{name} is on no /metrics"
        labels = set(re.findall(r"(\w+)\s*[=!]", matchers))
        assert labels <= exported[name] | {"job", "instance"}, name


@pytest.mark.parametrize("alert", ALERTS)
def test_a_rule_says_how_urgent_it_is_what_happened_and_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket", "none"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"deploy/README.md#{alert.lower()}"
    assert f"### {alert}\n" in text("deploy/README.md")


@pytest.mark.parametrize("alert", sorted(ALERTS.keys() - {"ForeshockWatchdog"}))
def test_a_rule_is_tested_firing_silent_and_without_its_series(alert: str) -> None:
    firing = silent = missing = False
    for test in rule_tests():
        for check in test["alert_rule_test"]:
            if check["alertname"] != alert:
                continue
            firing |= bool(check["exp_alerts"])
            silent |= bool(test["input_series"]) and not check["exp_alerts"]
            missing |= not test["input_series"]
    assert (firing, silent, missing) == (True, True, True)


@pytest.mark.servers
def test_promtool_accepts_the_rules_and_their_tests_pass() -> None:
    tool = promtool()
    run(tool, "check", "config", "--syntax-only", DEPLOY / "prometheus/prometheus.yml")
    run(tool, "check", "rules", DEPLOY / "prometheus/rules.yml")
    run(tool, "test", "rules", *(DEPLOY / "prometheus" / name for name in RULE_TESTS))


@pytest.mark.servers
def test_promtool_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(PANEL_EXPRESSIONS)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run(promtool(), "check", "rules", file)


@pytest.mark.servers
def test_amtool_accepts_the_routes() -> None:
    run(amtool(), "check-config", DEPLOY / "alertmanager/alertmanager.yml")


def test_alertmanager_only_names_rules_that_exist() -> None:
    named = re.findall(r"Foreshock\w+", text("deploy/alertmanager/alertmanager.yml"))
    assert set(named) <= set(ALERTS)
    assert named


def run(*command: object) -> None:
    finished(command, check=True)


# Dashboard


def test_panel_ids_are_unique() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_a_unit_a_description_and_the_chosen_data_source(panel: dict[str, Any]) -> None:
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])} == {
        "${datasource}"
    }


@pytest.mark.parametrize("expression", PANEL_EXPRESSIONS)
def test_a_panel_rates_over_the_interval_that_fits_the_screen(expression: str) -> None:
    assert all(window == "$__rate_interval" for window in re.findall(r"rate\([^[]*\[([^\]]+)\]", expression))


def test_the_dashboard_shows_adoption_beside_opinions_and_health() -> None:
    shown = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in PANELS}
    assert {"Users", "DAU/MAU by segment", "Seats in use by segment", "Opinions, last 30 days"} <= set(shown)
    assert {"Accounts by band", "Green accounts by segment", "Portfolio, last 30 days"} <= set(shown)
    assert "nps" in shown["Opinions, last 30 days"][0]


def test_the_dashboard_shows_cases_and_what_people_are_told_of_them() -> None:
    shown = " ".join(PANEL_EXPRESSIONS)
    told = {spec.name for spec in METRICS if spec.name.startswith("foreshock_notify_")} - {"foreshock_notify_blocked"}
    assert [each for each in told | {"foreshock_cases_open", "foreshock_feedback_ratio"} if each not in shown] == []


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


# Containers


def environment_of(manifest: str) -> set[str]:
    return {name for name in re.findall(r"FORESHOCK_\w+", manifest) if name.startswith(PREFIX) and "__" in name}


@pytest.mark.parametrize(
    "path", ["deploy/compose.yml", "deploy/kubernetes/foreshock.yml", "deploy/Dockerfile", "deploy/README.md"]
)
def test_a_manifest_only_sets_settings_that_exist(path: str) -> None:
    names = environment_of(text(path))
    assert names
    assert {name.removesuffix(FILE_SUFFIX) if name not in VARIABLES else name for name in names} <= VARIABLES | {
        "FORESHOCK_SECTION__NAME"
    }


def test_compose_has_every_process_and_server_and_two_workers() -> None:
    services = yaml.safe_load(text("deploy/compose.yml"))["services"]
    assert {
        "kafka",
        "postgres",
        "worker",
        "deliver",
        "notify",
        "console",
        "prometheus",
        "alertmanager",
        "grafana",
    } <= services.keys()
    assert services["worker"]["deploy"]["replicas"] == 2
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).exists(), volume


def test_compose_settings_can_be_used() -> None:
    environment = yaml.safe_load(text("deploy/compose.yml"))["services"]["worker"]["environment"]
    settings = load(None, environment)
    assert settings.database_url() == "postgresql://foreshock:foreshock@postgres/foreshock"


def test_compose_publishes_to_this_machine_only() -> None:
    services = yaml.safe_load(text("deploy/compose.yml"))["services"]
    ports = [port.rsplit(":", 1)[0] for service in services.values() for port in service.get("ports", ())]
    assert {port.rpartition(":")[0] for port in ports} == {"127.0.0.1"}
    assert len(ports) == len(set(ports))
    assert "127.0.0.1:8420" in ports


def test_the_console_of_compose_asks_who_is_there() -> None:
    environment = yaml.safe_load(text("deploy/compose.yml"))["services"]["console"]["environment"]
    assert_serves(load(DEPLOY / "foreshock.toml", environment))


def assert_serves(settings: Settings) -> None:
    """People beyond the container reach the console, after a sign-in."""
    build(settings, [], publish=lambda *_: None)
    assert (settings.console.host, settings.console.port, settings.access.sign_in) == ("0.0.0.0", 8420, "local")


def test_prometheus_scrapes_every_process_of_compose() -> None:
    scraped = {
        job["job_name"]: job for job in yaml.safe_load(text("deploy/prometheus/prometheus.yml"))["scrape_configs"]
    }
    services = yaml.safe_load(text("deploy/compose.yml"))["services"]
    ours = {name for name, service in services.items() if service.get("restart") == "unless-stopped"}
    assert {f"foreshock-{name}" for name in ours} | {"prometheus"} == scraped.keys()
    for name in ours:
        (found,) = scraped[f"foreshock-{name}"]["dns_sd_configs"]
        assert (found["names"], found["port"]) == ([name], 9464)


@pytest.mark.parametrize("service", ["topics", "migrate", "worker", "deliver", "notify", "console"])
def test_compose_runs_commands_that_exist(service: str) -> None:
    arguments = yaml.safe_load(text("deploy/compose.yml"))["services"][service]["command"]
    assert_command(arguments)


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text("deploy/kubernetes/foreshock.yml")))


def pods() -> list[dict[str, Any]]:
    return [manifest["spec"]["template"]["spec"] for manifest in kubernetes() if "template" in manifest.get("spec", {})]


def test_kubernetes_has_workers_delivery_and_the_jobs_before_them() -> None:
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in kubernetes()}
    assert {
        ("Deployment", "foreshock-worker"),
        ("Deployment", "foreshock-deliver"),
        ("Deployment", "foreshock-notify"),
        ("Deployment", "foreshock-console"),
        ("Service", "foreshock-console"),
        ("Job", "foreshock-topics"),
        ("Job", "foreshock-migrate"),
    } <= names


def test_every_quarter_a_backtest_says_what_the_rules_are_worth() -> None:
    (job,) = [manifest["spec"] for manifest in kubernetes() if manifest["kind"] == "CronJob"]
    assert job["schedule"] == "0 6 1 1,4,7,10 *"
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    command, *rest = container["args"]
    options = {name for each in commands()[command].params for name in each.opts}
    assert {each for each in rest if each.startswith("--")} <= options
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]


def test_kubernetes_pods_run_existing_commands_without_privileges() -> None:
    for pod in pods():
        (container,) = pod["containers"]
        assert_command(container["args"])
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}


def test_the_console_of_kubernetes_asks_who_is_there_behind_https(tmp_path: Path) -> None:
    (common,) = [
        each["data"] for each in kubernetes() if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", "foreshock")
    ]
    (container,) = next(pod["containers"] for pod in pods() if pod["containers"][0]["name"] == "console")
    own = {each["name"]: each["value"] for each in container["env"] if each["name"] != "FORESHOCK_CONFIG"}
    environment = dict(common) | own
    for name, value in environment.items():
        if name.endswith(FILE_SUFFIX):
            file = tmp_path / Path(value).name
            file.write_text("a secret of at least 32 characters")
            assert f"--from-literal={file.name}=" in text("deploy/kubernetes/foreshock.yml") or file.suffix == ".pem"
            environment[name] = str(file)
    settings = load(None, environment)
    assert_serves(settings)
    assert settings.console.secure
    assert settings.access.session_secret is not None


def test_a_service_leads_to_ports_that_its_pods_have() -> None:
    templates = [each["spec"]["template"] for each in kubernetes() if each["kind"] == "Deployment"]
    for service in (each["spec"] for each in kubernetes() if each["kind"] == "Service"):
        chosen = [each for each in templates if service["selector"].items() <= each["metadata"]["labels"].items()]
        assert chosen
        for template in chosen:
            (container,) = template["spec"]["containers"]
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            assert len(ports) == len(set(ports.values()))
            assert all(ports[port["targetPort"]] == port["port"] for port in service["ports"])


def test_kubernetes_probes_ask_what_the_listener_answers() -> None:
    long_running = [pod for pod in pods() if pod.get("restartPolicy") != "OnFailure"]
    assert long_running
    for pod in long_running:
        (container,) = pod["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
        assert container["readinessProbe"]["httpGet"]["path"] == "/-/ready"


def assert_command(arguments: list[str]) -> None:
    found = commands()
    for argument in arguments:
        assert argument in found, arguments
        found = getattr(found[argument], "commands", {})


def test_the_image_copies_what_is_there_and_runs_as_nobody_special() -> None:
    lines = text("deploy/Dockerfile").splitlines()
    copied = [
        part for line in lines if line.startswith("COPY ") and "--from" not in line for part in shlex.split(line)[1:-1]
    ]
    assert copied
    assert all((ROOT / path).exists() for path in copied)
    assert any(line.startswith("USER ") and "root" not in line for line in lines)


# Kafka


def test_the_acls_name_every_topic_that_a_worker_writes() -> None:
    done = finished([DEPLOY / "acls.sh", "--bootstrap-server", "kafka:9093"], check=True)
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    granted = {
        (words[words.index("--allow-principal") + 1], words[words.index("--topic") + 1])
        for words in lines
        if "--topic" in words and "Write" in words
    }
    written = {spec.name for spec in TOPICS.values() if spec.role in {"input", "output", "internal"}}
    assert {("User:foreshock", topic) for topic in written} <= granted
    topics = {topic for _user, topic in granted}
    assert topics <= TOPICS.keys() | {"foreshock-"}


# Locked packages


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
def test_every_locked_package_has_hashes_and_no_address(lock: str) -> None:
    lines = text(f"deploy/{lock}").splitlines()
    assert "://" not in "\n".join(lines)
    for line, following in pairwise(lines):
        if re.match(r"^[\w.-]+==", line):
            assert following.strip().startswith("--hash=sha256:"), line


@pytest.mark.parametrize(("lock", "extra"), [("requirements.lock", None), ("requirements-test.lock", "test")])
def test_the_lock_has_the_versions_that_the_project_asks_for(lock: str, extra: str | None) -> None:
    asked = list(project()["project"]["dependencies"]) + project()["build-system"]["requires"]
    if extra is not None:
        asked += project()["project"]["optional-dependencies"][extra]
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", text(f"deploy/{lock}"), re.MULTILINE))
    for requirement in asked:
        name, _, version = requirement.partition("==")
        key = re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()
        assert locked.get(key) == version, requirement
