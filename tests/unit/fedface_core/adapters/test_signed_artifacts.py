"""Signed objects: readers see them without the signature, and refuse whatever was changed, cut, moved or made by others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedface_core.adapters import signed_artifacts
from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import CLIENT, CONTROL
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.signing import blocks
from fedface_core.signing.errors import SignatureError, UnsignedError
from fedface_core.signing.keys import Keyring, TrustedKeys, own_keys
from fedface_core.signing.trailer import TRAILER_BYTES

RUN = "run-0123456789ab"
MANIFEST = object_keys.manifest(RUN, 1)
UPDATE = object_keys.update(RUN, 1, "client-000000")
PARTIAL = object_keys.partial(RUN, 1, 0, "a" * 64)
BLOCK = 8
DATA = bytes(range(27))  # three blocks and a part of one


@pytest.fixture
def raw() -> MemoryArtifacts:
    """The store as somebody sees it who signs nothing."""
    return MemoryArtifacts()


@pytest.fixture
def store(raw: MemoryArtifacts, monkeypatch: pytest.MonkeyPatch) -> SignedArtifacts:
    """A signed store whose blocks have 8 bytes."""
    for module in (blocks, signed_artifacts):
        monkeypatch.setattr(module, "BLOCK_BYTES", BLOCK)
    return SignedArtifacts(raw, own_keys())


@pytest.mark.parametrize("data", [b"", b"x", DATA, DATA[:24]], ids=len)
@pytest.mark.parametrize("key", [MANIFEST, UPDATE, PARTIAL, object_keys.model("a" * 64)])
def test_an_object_comes_back_as_it_was_put(store: SignedArtifacts, key: str, data: bytes) -> None:
    store.put(key, data[:5], memoryview(data)[5:])
    assert store.get(key) == data
    assert store.size(key) == len(data)
    buffer = bytearray(max(1, len(data)))
    assert store.read_into(key, 0, buffer) == len(data)
    assert buffer[: len(data)] == data


@pytest.mark.parametrize("key", [MANIFEST, UPDATE, PARTIAL])
def test_a_range_is_that_of_the_object_without_its_signature(store: SignedArtifacts, key: str) -> None:
    store.put(key, DATA)
    assert store.get_range(key, 20, 100) == DATA[20:]
    with pytest.raises(InvalidInputError):
        store.get_range(key, len(DATA), 1)


def test_a_partial_is_read_block_by_block(store: SignedArtifacts) -> None:
    store.put(PARTIAL, DATA)
    for start in range(0, len(DATA), BLOCK):
        buffer = bytearray(BLOCK)
        assert store.read_into(PARTIAL, start, buffer) == len(DATA)
        assert buffer[: len(DATA) - start] == DATA[start : start + BLOCK]


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a value": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "the last value": lambda data: data[:26] + bytes([data[26] ^ 1]) + data[27:],
    "two blocks in another order": lambda data: data[8:16] + data[:8] + data[16:],
    "a block less": lambda data: data[8:],
    "a block twice": lambda data: data[:8] + data,
    "a byte more": lambda data: b"\0" + data,
    "no signature": lambda data: data[:-TRAILER_BYTES],
    "half a signature": lambda data: data[: -TRAILER_BYTES // 2],
    "a byte behind": lambda data: data + b"\n",
    "nothing": lambda _: b"",
    "only a signature": lambda data: data[-TRAILER_BYTES:],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("key", [MANIFEST, UPDATE, PARTIAL])
def test_what_was_changed_is_refused_by_its_name(
    store: SignedArtifacts, raw: MemoryArtifacts, key: str, change: str
) -> None:
    store.put(key, DATA)
    stored = raw.get(key)
    raw.put(key, CHANGES[change](stored))
    with pytest.raises(SignatureError, match=key):
        store.get(key)


@pytest.mark.parametrize("change", CHANGES)
def test_no_block_of_a_changed_partial_is_read(store: SignedArtifacts, raw: MemoryArtifacts, change: str) -> None:
    store.put(PARTIAL, DATA)
    raw.put(PARTIAL, CHANGES[change](raw.get(PARTIAL)))

    def read_all() -> None:
        for start in range(0, store.size(PARTIAL), BLOCK):
            store.read_into(PARTIAL, start, bytearray(BLOCK))

    with pytest.raises(SignatureError, match=PARTIAL):
        read_all()


@pytest.mark.parametrize("change", sorted(CHANGES.keys() - {"a value", "the last value", "two blocks in another order"}))
def test_the_digest_of_a_changed_update_is_not_told(store: SignedArtifacts, raw: MemoryArtifacts, change: str) -> None:
    store.put(UPDATE, DATA)
    assert store.signed_sha256(UPDATE, len(DATA)) == hashlib.sha256(DATA).hexdigest()
    raw.put(UPDATE, CHANGES[change](raw.get(UPDATE)))
    with pytest.raises(SignatureError, match=UPDATE):
        store.signed_sha256(UPDATE, len(DATA))


@pytest.mark.parametrize("key", [MANIFEST, UPDATE, PARTIAL])
def test_an_object_is_not_believed_at_another_key(store: SignedArtifacts, raw: MemoryArtifacts, key: str) -> None:
    other = key.replace("rounds/1/", "rounds/2/")
    store.put(key, DATA)
    raw.put(other, raw.get(key))
    with pytest.raises(SignatureError, match=f"{other} has a wrong signature"):
        store.get(other)


def test_each_service_makes_its_own_kinds_alone(raw: MemoryArtifacts) -> None:
    keys = {service: Ed25519PrivateKey.generate() for service in (CLIENT, CONTROL)}
    trusted = TrustedKeys({service: [key.public_key()] for service, key in keys.items()})
    client = SignedArtifacts(raw, Keyring({CLIENT: keys[CLIENT]}, trusted))
    control = SignedArtifacts(raw, Keyring({CONTROL: keys[CONTROL]}, trusted))
    client.put(UPDATE, DATA)
    control.put(MANIFEST, DATA)
    assert (control.get(UPDATE), client.get(MANIFEST)) == (DATA, DATA)
    for store, key in ((client, MANIFEST), (control, UPDATE), (client, PARTIAL)):
        with pytest.raises(SignatureError, match="may not make"):
            store.put(key, DATA)


def test_what_is_not_there_is_missing_and_not_forged(store: SignedArtifacts) -> None:
    for use in (store.get, store.size, lambda key: store.signed_sha256(key, 5)):
        with pytest.raises(ArtifactMissingError):
            use(UPDATE)


def test_an_unsigned_object_is_believed_of_the_kinds_that_may_be_and_no_forged_one(raw: MemoryArtifacts) -> None:
    raw.put(MANIFEST, b"{}")
    lenient = SignedArtifacts(raw, own_keys(), ["manifest"])
    assert lenient.get(MANIFEST) == b"{}"
    raw.put(UPDATE, b"{}")
    with pytest.raises(UnsignedError):
        lenient.get(UPDATE)
    lenient.put(MANIFEST, b"{}")
    raw.put(MANIFEST, raw.get(MANIFEST).replace(b"{}", b"[]", 1))
    with pytest.raises(SignatureError, match="changed"):
        lenient.get(MANIFEST)


def test_a_digest_that_the_caller_knows_is_signed_and_not_computed_again(
    store: SignedArtifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update is hashed when it is made, and that takes longer than all else that its signature costs."""
    sha256 = hashlib.sha256(DATA).hexdigest()
    with monkeypatch.context() as without_hashing:
        without_hashing.setattr("hashlib.sha256", lambda *_: pytest.fail("it was hashed once more"))
        store.put(UPDATE, DATA, sha256=sha256)
    assert store.get(UPDATE) == DATA
    assert store.signed_sha256(UPDATE, len(DATA)) == sha256


def test_a_wrong_digest_makes_an_object_that_nobody_believes(store: SignedArtifacts) -> None:
    store.put(UPDATE, DATA, sha256="0" * 64)
    with pytest.raises(SignatureError, match="was changed after it was signed"):
        store.get(UPDATE)
