"""Each identity tries to read, put, list and remove each kind of artifact. The server serves what the table allows, only."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from fedface_core.access.artifact_kinds import PATTERNS
from fedface_core.access.permissions import Identity
from fedface_core.access.table import TABLE
from fedface_core.domain.errors import UnavailableError
from fedface_stack.embedded_servers import HOST
from fedface_stack.seaweedfs_security import write_security
from support.guarded_servers import Store, grant_of

KEYS = {kind: pattern.replace("*", "0") for kind, pattern in PATTERNS.items()}
GRPC = 10_000
"""What SeaweedFS adds to the port of a part for its gRPC."""
WITH_KEY = [identity for identity in Identity if TABLE[identity].store is not None]


def is_refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except UnavailableError as error:
        return "denies access" in str(error)
    return False


@pytest.mark.parametrize("identity", WITH_KEY)
def test_an_identity_reads_and_puts_what_the_table_allows_and_no_other_kind(store: Store, identity: Identity) -> None:
    for key in KEYS.values():
        store.operator().put(key, b"stored")
    own = store.connect(identity)
    read = set[str]()
    put = set[str]()
    for kind, key in KEYS.items():
        read |= set() if is_refused(partial(own.get, key)) else {kind}
        put |= set() if is_refused(partial(own.put, key, b"put")) else {kind}
    assert read == set(grant_of(identity).reads)
    assert put == set(grant_of(identity).puts)


@pytest.mark.parametrize("identity", WITH_KEY)
def test_only_control_lists_and_removes(store: Store, identity: Identity) -> None:
    for key in KEYS.values():
        store.operator().put(key, b"stored")
    own = store.connect(identity)
    for key in KEYS.values():
        if grant_of(identity).lists_and_removes:
            own.delete(key)
        else:
            with pytest.raises(UnavailableError, match="denies access"):
                own.delete(key)
    if grant_of(identity).lists_and_removes:
        assert own.keys("") == []
    else:
        with pytest.raises(UnavailableError, match="denies access"):
            own.keys("")
        assert len(store.operator().keys("")) == len(KEYS)


@pytest.mark.parametrize("identity", [Identity.METRICS, Identity.GATEWAY])
def test_who_needs_no_artifacts_has_no_key(store: Store, identity: Identity) -> None:
    with pytest.raises(UnavailableError, match="does not know the access key"):
        store.connect(identity).get(KEYS["model"])


def test_a_client_worker_reads_a_row_and_never_all_class_embeddings(store: Store) -> None:
    own = store.connect(Identity.CLIENT)
    store.operator().put("runs/r/rows/w/client-000001.f32", b"row")
    store.operator().put("runs/r/class_embeddings/w.f32", b"rows")
    assert own.get("runs/r/rows/w/client-000001.f32") == b"row"
    with pytest.raises(UnavailableError, match="denies access"):
        own.get_range("runs/r/class_embeddings/w.f32", 0, 1)


def test_a_client_worker_places_no_aggregation_and_no_partial(store: Store) -> None:
    own = store.connect(Identity.CLIENT)
    for key in ("runs/r/rounds/1/aggregations/a.json", "runs/r/rounds/1/partials/000000-a.safetensors", "models/m"):
        with pytest.raises(UnavailableError, match="denies access"):
            own.put(key, b"forged")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_ports_beside_s3_serve_nobody(store: Store, method: str) -> None:
    """Filer, volume and master answered everybody: they gave, took and removed objects without credentials."""
    store.operator().put("models/kept", b"model")
    master, volume, filer, _ = store.ports
    asked = {
        filer: ["/buckets/fedface/models/kept", "/buckets/"],
        volume: ["/1,0112345678", "/dir/status", "/admin/assign_volume"],
        master: ["/dir/assign", "/dir/lookup?volumeId=1", "/vol/grow?count=1", "/col/delete?collection=fedface", "/submit"],
    }
    for port, paths in asked.items():
        for path in paths:
            answer = httpx.request(method, f"http://{HOST}:{port}{path}", trust_env=False)
            assert answer.status_code >= 400, f"{method} {port - master} {path}: {answer.text[:200]}"
    assert store.operator().get("models/kept") == b"model"


def listening(pid: int) -> set[tuple[str, int]]:
    """The addresses at which a process takes connections."""
    process = psutil.Process(pid)
    return {one.laddr for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN}


def test_the_store_listens_at_no_other_port_and_on_no_other_machine(store: Store) -> None:
    """Each port that is open is one of those that the tests of this file try."""
    known = {*store.ports, *(port + GRPC for port in store.ports)}
    assert listening(store.pid) == {(HOST, port) for port in known}


def speaks_grpc(store: Store, port: int, certificate: Path | None) -> bool:
    """Whether a server takes a connection, and answers the beginning of HTTP/2, by which gRPC speaks."""
    context = ssl.create_default_context(cafile=store.home / "seaweedfs/authority.pem")
    context.set_alpn_protocols(["h2"])
    if certificate is not None:
        context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with socket.create_connection((HOST, port), timeout=30.0) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
                return len(connection.recv(9)) == 9  # the head of the server's SETTINGS
        except (ssl.SSLError, ConnectionResetError):
            return False


@pytest.mark.parametrize("part", range(4), ids=["master", "volume", "filer", "s3"])
def test_the_parts_of_the_store_ask_each_other_for_certificates(store: Store, tmp_path: Path, part: int) -> None:
    """By gRPC whoever is let in may do everything: read, write and remove, and change identities."""
    port = store.ports[part] + GRPC
    with socket.create_connection((HOST, port), timeout=30.0) as plain:
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        assert plain.recv(9)[3:4] != b"\x04", "it speaks without TLS"
    write_security(tmp_path)  # as good as the server's own, but of another authority
    assert speaks_grpc(store, port, store.home / "seaweedfs/certificate.pem")
    assert not speaks_grpc(store, port, None)
    assert not speaks_grpc(store, port, tmp_path / "certificate.pem")


def test_the_keys_of_the_store_are_read_by_its_owner_alone(store: Store) -> None:
    folder = store.home / "seaweedfs"
    assert folder.stat().st_mode & 0o077 == 0
    assert {path.name for path in folder.iterdir()} >= {"key.pem", "security.toml", "identities.json"}
