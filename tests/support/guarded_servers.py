"""Servers with the users and policies of the table, and connections as each identity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import redis

from fedface_core.access.permissions import Identity, StoreGrant
from fedface_core.access.redis_users import users_file
from fedface_core.access.secret_names import with_redis_user, with_s3_key
from fedface_core.access.table import TABLE
from fedface_core.adapters.s3 import S3Artifacts
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, ProcessSpec, seaweedfs, valkey
from fedface_stack.local_ports import free_ports
from support.required_parts import redis_server
from support.servers import running

OPERATOR = "operators-own"
BUCKET = "fedface"


def secret_of(identity: Identity) -> str:
    """The password of an identity in Redis, and its secret key in S3."""
    return f"secret-of-{identity}"


def grant_of(identity: Identity) -> StoreGrant:
    """What the table gives an identity that has a key of S3."""
    grant = TABLE[identity].store
    assert grant is not None
    return grant


@dataclass(frozen=True)
class Broker:
    """A Valkey or Redis whose users are those of the table."""

    port: int

    def url(self, identity: Identity) -> str:
        """The address with the name and the password of this identity."""
        return f"redis://{identity}:{secret_of(identity)}@{HOST}:{self.port}/0"

    def connect(self, identity: Identity) -> redis.Redis:
        """A connection as this identity."""
        return redis.Redis.from_url(self.url(identity), decode_responses=True)

    def operator(self) -> redis.Redis:
        """A connection as who may do everything."""
        return redis.Redis.from_url(self.operator_url(), decode_responses=True)

    def operator_url(self, database: int = 0) -> str:
        """The address with the name and the password of who may do everything."""
        return f"redis://operator:{OPERATOR}@{HOST}:{self.port}/{database}"


@dataclass(frozen=True)
class Store:
    """A SeaweedFS whose identities are those of the table, and its ports: master, volume, filer, S3."""

    ports: tuple[int, int, int, int]
    home: Path
    pid: int

    def connect(self, identity: Identity) -> S3Artifacts:
        """The bucket as this identity reaches it."""
        return S3Artifacts(f"{HOST}:{self.ports[3]}", BUCKET, str(identity), secret_of(identity))

    def operator(self) -> S3Artifacts:
        """The bucket as who may do everything reaches it."""
        return S3Artifacts(f"{HOST}:{self.ports[3]}", BUCKET, "operator", OPERATOR)


SERVERS = ("valkey", "redis-server")
"""The embedded Valkey, and the machine's own Redis, which may be as old as 7.0: both must take the users file."""


def broker_spec(server: str, home: Path, port: int) -> ProcessSpec:
    """One of the `SERVERS` with the users of the table; its data are in ``home``."""
    users = users_file({identity: secret_of(identity) for identity in with_redis_user()}, operator_secret=OPERATOR)
    spec = valkey(home, port, OPERATOR, users)
    if server == "valkey":
        return spec
    return replace(spec, command=(*spec.command[:-1], redis_server()))


@contextmanager
def guarded_ledger_server(server: str, children: Children, home: Path) -> Iterator[Broker]:
    """One of the `SERVERS` whose users are those of the table, until the end of the block."""
    (port,) = free_ports(1)
    with running(children, broker_spec(server, home, port), home):
        yield Broker(port)


@contextmanager
def guarded_seaweedfs(children: Children, home: Path) -> Iterator[Store]:
    """A SeaweedFS whose identities are those of the table, until the end of the block."""
    master, volume, filer, s3 = free_ports(4)
    ports = (master, volume, filer, s3)
    services = {identity: secret_of(identity) for identity in with_s3_key()}
    with running(children, seaweedfs(home, ports, "operator", OPERATOR, BUCKET, services), home) as process:
        yield Store(ports, home, process.pid)
