"""Each identity tries to read, put, list and remove each kind of artifact. The server serves what the table allows, only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import httpx
import pytest

from fedface_core.access.artifact_kinds import PATTERNS
from fedface_core.access.permissions import Identity, StoreGrant
from fedface_core.access.table import TABLE
from fedface_core.domain.errors import UnavailableError
from fedface_stack.embedded_servers import HOST
from security.conftest import Store

KEYS = {kind: pattern.replace("*", "0") for kind, pattern in PATTERNS.items()}
WITH_KEY = [identity for identity in Identity if TABLE[identity].store is not None]


def grant_of(identity: Identity) -> StoreGrant:
    grant = TABLE[identity].store
    assert grant is not None
    return grant


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


def test_the_parts_of_the_store_ask_each_other_for_certificates(store: Store) -> None:
    for name in ("authority.pem", "certificate.pem", "key.pem", "security.toml"):
        assert (store.home / "seaweedfs" / name).stat().st_size > 0
    for port in store.ports[:3]:
        with pytest.raises(httpx.TransportError):  # the port of gRPC wants TLS
            httpx.get(f"http://{HOST}:{port + 10000}", trust_env=False, timeout=2.0)
