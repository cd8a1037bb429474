"""Signed objects: readers see them without the signature, and refuse whatever was changed, cut, moved or made by others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fedface_core.access.artifact_kinds import PATTERNS
from fedface_core.adapters import signed_artifacts
from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.ports import ForwardedArtifacts
from fedface_core.signing import blocks, keys
from fedface_core.signing.errors import SignatureError, UnsignedError
from fedface_core.signing.hash_tree import HASH_BYTES, leaf
from fedface_core.signing.keys import Keyring, TrustedKeys, own_keys
from fedface_core.signing.life import working_for
from fedface_core.signing.makers import MAKERS, SIGNERS
from fedface_core.signing.trailer import TRAILER_BYTES
from support.forging import Liar

RUN = "run-0123456789ab"
MANIFEST = object_keys.manifest(RUN, 1)
UPDATE = object_keys.update(RUN, 1, "client-000000")
PARTIAL = object_keys.partial(RUN, 1, 0, "a" * 64)
W = "a" * 64
CLIENTS = [f"client-{index:06d}" for index in range(5)]
ROWS = {object_keys.row(RUN, W, client): bytes(range(index, index + 27)) for index, client in enumerate(CLIENTS)}
ROW = object_keys.row(RUN, W, CLIENTS[1])
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


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("service", SIGNERS)
def test_each_service_makes_its_own_kinds_alone(raw: MemoryArtifacts, service: str, kind: str) -> None:
    """It is refused to make others, and whoever reads refuses what it made nevertheless, in the name of the maker."""
    keys = {signer: Ed25519PrivateKey.generate() for signer in SIGNERS}
    trusted = TrustedKeys({signer: [key.public_key()] for signer, key in keys.items()})
    own = Keyring({service: keys[service]}, trusted)
    store = SignedArtifacts(raw, own)
    key = PATTERNS[kind].replace("*", "0")
    if service == MAKERS[kind]:
        store.put(key, DATA)
        assert store.get(key) == DATA
        return
    with pytest.raises(SignatureError, match=f"{service} may not make"):
        store.put(key, DATA)
    assert not [*raw.keys("")]
    SignedArtifacts(raw, Liar(own)).put(key, DATA)
    with pytest.raises(SignatureError, match=f"not a trusted key of {MAKERS[kind]}"):
        store.get(key)


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


def put_rows(store: SignedArtifacts) -> None:
    store.put_all({key: (row[:9], memoryview(row)[9:]) for key, row in ROWS.items()})


def test_each_of_many_rows_comes_back_as_it_was_put(store: SignedArtifacts) -> None:
    put_rows(store)
    for key, row in ROWS.items():
        assert store.get(key) == row
        assert store.size(key) == 27
        assert store.get_range(key, 20, 100) == row[20:]
        assert store.signed_sha256(key, 27) == hashlib.sha256(row).hexdigest()
        buffer = bytearray(30)
        assert store.read_into(key, 20, buffer) == 27
        assert buffer == row[20:] + bytes(23)
        with pytest.raises(InvalidInputError):
            store.read_into(key, -1, buffer)


def test_a_row_that_was_put_alone_comes_back_too(store: SignedArtifacts) -> None:
    """So an earlier version signed rows."""
    store.put(ROW, ROWS[ROW])
    assert store.get(ROW) == ROWS[ROW]
    store.put_all({ROW: (b"only one",)})
    assert store.get(ROW) == b"only one"


def test_many_rows_cost_one_signature_and_one_check(raw: MemoryArtifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Ed25519PrivateKey.generate()
    keyring = Keyring({AGGREGATOR: own}, TrustedKeys({AGGREGATOR: [own.public_key()]}))
    done: list[str] = []
    sign = Keyring.sign
    from_public_bytes = Ed25519PublicKey.from_public_bytes

    def noted_sign(ring: Keyring, service: str, statement: bytes) -> keys.Signature:
        done.append("signed")
        return sign(ring, service, statement)

    def noted_key(public: bytes) -> Ed25519PublicKey:
        done.append("checked")
        return from_public_bytes(public)

    monkeypatch.setattr(Keyring, "sign", noted_sign)
    monkeypatch.setattr(keys, "Ed25519PublicKey", SimpleNamespace(from_public_bytes=noted_key))
    put_rows(SignedArtifacts(raw, keyring))
    for key in ROWS:
        assert SignedArtifacts(raw, keyring).get(key) == ROWS[key]
    assert done == ["signed", "signed", "checked"], "the salts of the rows come of a second signature"


def test_who_reads_a_row_cannot_tell_what_the_row_beside_it_is(store: SignedArtifacts, raw: MemoryArtifacts) -> None:
    """Its hash is a part of the path. A salt that only the other client's object has is hashed with the other row."""
    put_rows(store)
    first, second = (raw.get(key) for key in list(ROWS)[:2])
    beside = first[PATH : PATH + HASH_BYTES]
    key, row = list(ROWS.items())[1]
    statement = json.dumps([key, hashlib.sha256(row).hexdigest(), len(row)]).encode()
    assert leaf(second[27:PATH] + statement) == beside
    assert leaf(first[27:PATH] + statement) != beside
    assert leaf(statement) != beside
    put_rows(store)
    assert raw.get(key) == second, "a step that is repeated puts the same bytes"
    other = MemoryArtifacts()
    put_rows(SignedArtifacts(other, Keyring({AGGREGATOR: Ed25519PrivateKey.generate()}, TrustedKeys({}))))
    assert other.get(key)[27:PATH] != second[27:PATH], "only who has the aggregator's key can compute salts"


PATH = 27 + 32  # after the row and its salt
ROW_CHANGES: dict[str, Callable[[bytes], bytes]] = CHANGES | {
    "the salt": lambda data: data[:30] + bytes([data[30] ^ 1]) + data[31:],
    "a hash of the path": lambda data: data[:PATH] + bytes([data[PATH] ^ 1]) + data[PATH + 1 :],
    "a path cut at its end": lambda data: data[: -TRAILER_BYTES - HASH_BYTES] + data[-TRAILER_BYTES:],
    "a path cut at its beginning": lambda data: data[:PATH] + data[PATH + HASH_BYTES :],
    "a path cut, and its length with it": lambda data: (
        data[:PATH] + data[PATH + HASH_BYTES :].replace(b'"hashes":3', b'"hashes":2')
    ),
    "no path": lambda data: data[:PATH] + data[-TRAILER_BYTES:].replace(b'"hashes":3', b'"hashes":0'),
    "a path longer than the object": lambda data: data.replace(b'"hashes":3', b'"hashes":9'),
    "a path without bounds": lambda data: data.replace(b'"hashes":3', b'"hashes":33').replace(b"  \n", b" \n"),
    "a path of no length": lambda data: data.replace(b'"hashes":3', b'"hashes":-1').replace(b"  \n", b" \n"),
    "a signature of its own": lambda data: data.replace(b',"hashes":3', b"           "),
    "a part of the path as a part of the row": lambda data: data.replace(b'"hashes":3', b'"hashes":2'),
}


@pytest.mark.parametrize("change", ROW_CHANGES)
def test_a_changed_row_is_refused_by_its_name(store: SignedArtifacts, raw: MemoryArtifacts, change: str) -> None:
    put_rows(store)
    assert store.get(ROW) == ROWS[ROW]  # the signature is remembered from now on
    stored = raw.get(ROW)
    changed = ROW_CHANGES[change](stored)
    assert changed != stored
    raw.put(ROW, changed)
    uses: list[Callable[[], object]] = [
        lambda: store.get(ROW),
        lambda: store.size(ROW),
        lambda: store.get_range(ROW, 0, 1),
        lambda: store.read_into(ROW, 0, bytearray(27)),
        lambda: store.signed_sha256(ROW, 27),
    ]
    for use in uses:
        with pytest.raises(SignatureError, match=ROW):
            use()


MOVED = {
    "another client's": object_keys.row(RUN, W, CLIENTS[2]),
    "of another W": object_keys.row(RUN, "b" * 64, CLIENTS[1]),
    "of another run": object_keys.row("run-ba9876543210", W, CLIENTS[1]),
}


@pytest.mark.parametrize("place", MOVED)
def test_a_row_is_not_believed_at_another_key(store: SignedArtifacts, raw: MemoryArtifacts, place: str) -> None:
    put_rows(store)
    raw.put(MOVED[place], raw.get(ROW))
    with pytest.raises(SignatureError, match=f"{MOVED[place]} was changed after it was signed"):
        store.get(MOVED[place])


def test_an_empty_row_has_no_part_of_its_path(store: SignedArtifacts, raw: MemoryArtifacts) -> None:
    store.put_all(dict.fromkeys(ROWS, (b"",)))
    assert store.get(ROW) == b""
    raw.put(ROW, raw.get(ROW).replace(b'"hashes":3', b'"hashes":4'))
    assert len(raw.get(ROW)) == 4 * HASH_BYTES + TRAILER_BYTES
    with pytest.raises(SignatureError, match=ROW):
        store.get(ROW)


def test_rows_of_another_life_are_not_believed_though_their_signature_is_remembered(store: SignedArtifacts) -> None:
    with working_for("first"):
        put_rows(store)
        assert store.get(ROW) == ROWS[ROW]
    with working_for("second"), pytest.raises(SignatureError, match="another life"):
        store.get(ROW)


def test_nobody_but_the_aggregator_makes_rows_though_their_signature_is_remembered(raw: MemoryArtifacts) -> None:
    """The client signs in the name of the aggregator, or in its own. What one reader believes, another one need not."""
    own = {service: Ed25519PrivateKey.generate() for service in (CLIENT, AGGREGATOR)}
    trusted = TrustedKeys({service: [key.public_key()] for service, key in own.items()})
    client = SignedArtifacts(raw, Keyring({CLIENT: own[CLIENT]}, trusted))
    with pytest.raises(SignatureError, match="client may not make"):
        put_rows(client)
    liar = Keyring({AGGREGATOR: own[CLIENT]}, TrustedKeys({AGGREGATOR: [own[CLIENT].public_key()]}))
    put_rows(SignedArtifacts(raw, liar))
    assert SignedArtifacts(raw, liar).get(ROW) == ROWS[ROW]
    with pytest.raises(SignatureError, match="not a trusted key of aggregator"):
        client.get(ROW)
    raw.put(ROW, raw.get(ROW).replace(b'"aggregator"', b'"client"').replace(b"  \n", b"      \n"))
    with pytest.raises(SignatureError, match="signed by 'client'"):
        client.get(ROW)
    put_rows(SignedArtifacts(raw, Keyring({AGGREGATOR: own[AGGREGATOR]}, trusted)))
    assert client.get(ROW) == ROWS[ROW]


def test_what_is_not_signed_is_put_with_others_as_it_is(store: SignedArtifacts, raw: MemoryArtifacts) -> None:
    model = object_keys.model("a" * 64)
    store.put_all({model: (DATA,), ROW: (DATA,)})
    assert raw.get(model) == DATA
    assert store.get(ROW) == DATA
    store.put_all({})


def test_what_is_put_once_is_signed_and_a_later_one_changes_nothing(store: SignedArtifacts, raw: MemoryArtifacts) -> None:
    update = object_keys.update("run-0123456789ab", 1, "client-000001")
    assert store.put_once(update, DATA)
    assert not store.put_once(update, b"other")
    assert store.get(update) == DATA
    assert raw.get(update) != DATA
    model = object_keys.model("a" * 64)
    assert store.put_once(model, DATA)
    assert raw.get(model) == DATA


def test_the_digests_of_a_partial_come_with_its_last_block(store: SignedArtifacts, raw: MemoryArtifacts) -> None:
    store.put(PARTIAL, DATA)
    asked = Asked(raw)
    reader = SignedArtifacts(asked, own_keys())
    buffer = bytearray(1000)
    assert reader.read_into(PARTIAL, 0, buffer) == len(DATA)
    assert buffer[: len(DATA)] == DATA
    assert asked.calls == ["read_into"]
    assert SignedArtifacts(asked, own_keys()).get(PARTIAL) == DATA
    assert asked.calls == ["read_into", "get"]


class Asked(ForwardedArtifacts):
    """Notes what it was asked for the objects of another store."""

    def __init__(self, store: MemoryArtifacts) -> None:
        super().__init__(store)
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in ("get", "get_range", "read_into", "size"):
            self.calls.append(name)
        return super().__getattribute__(name)
