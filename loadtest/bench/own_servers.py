"""A broker and an object store for one benchmark: started for it, known to nobody else, and gone with it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fedface_core.adapters.s3 import S3Artifacts
from fedface_stack.embedded_servers import HOST, seaweedfs, valkey
from fedface_stack.local_ports import free_ports
from loadtest.bench.server_process import running

_NAME: Final = "fedface"
"""Of the bucket, and of the access key that may do everything there."""


@dataclass(frozen=True)
class OwnS3:
    """An S3 server with an empty bucket. ``pid`` is that of its process."""

    endpoint: str
    secret_key: str = field(repr=False)
    pid: int
    bucket: str = _NAME
    access_key: str = _NAME

    def artifacts(self) -> S3Artifacts:
        """The store in the bucket."""
        return S3Artifacts(self.endpoint, self.bucket, self.access_key, self.secret_key)


@contextmanager
def own_redis(workdir: Path) -> Iterator[str]:
    """The URL of an empty Valkey, which is killed at the end. Its files are in ``workdir``."""
    (port,) = free_ports(1)
    secret = secrets.token_hex(24)
    with running(valkey(workdir, port, secret), workdir):
        yield f"redis://:{secret}@{HOST}:{port}/0"


@contextmanager
def own_s3(workdir: Path) -> Iterator[OwnS3]:
    """A SeaweedFS, which is killed at the end. Its files are in ``workdir``."""
    master, volume, filer, s3 = free_ports(4)
    secret = secrets.token_hex(24)
    with running(seaweedfs(workdir, (master, volume, filer, s3), _NAME, secret, _NAME), workdir) as process:
        yield OwnS3(f"{HOST}:{s3}", secret, process.pid)
