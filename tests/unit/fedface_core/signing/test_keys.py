"""Keys: who is believed, how a key is replaced, and what is said of files that cannot be used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedface_core.contracts.tasks import AGGREGATOR, CLIENT
from fedface_core.domain.errors import InvalidInputError
from fedface_core.signing.errors import SignatureError
from fedface_core.signing.keys import Keyring, TrustedKeys, encoded_public, key_id, load_keyring, own_keys, read_private

OLD = Ed25519PrivateKey.generate()
NEW = Ed25519PrivateKey.generate()


def write_trusted(file: Path, **keys: list[Ed25519PrivateKey]) -> None:
    text = json.dumps({service: [encoded_public(key.public_key()) for key in of] for service, of in keys.items()})
    file.write_text(text)
    os.utime(file, (file.stat().st_mtime + len(text),) * 2)  # two writes within one tick of the clock are two


def write_private(file: Path, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> Path:
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def signed(key: Ed25519PrivateKey, statement: bytes = b"statement", service: str = CLIENT) -> tuple[str, str, bytes]:
    return service, key_id(key.public_key()), key.sign(statement)


def test_a_signature_is_believed_of_the_service_whose_key_it_is() -> None:
    keyring = Keyring({}, TrustedKeys({CLIENT: [OLD.public_key()], AGGREGATOR: [NEW.public_key()]}))
    keyring.check(signed(OLD), b"statement", [CLIENT], "it")
    for signature, why in (
        (signed(OLD, b"another"), "has a wrong signature of client: it was changed or forged"),
        (signed(NEW), "which is not a trusted key of client"),
        (signed(OLD, service=AGGREGATOR), "is signed by 'aggregator', and only client may make it"),
        ((CLIENT, key_id(OLD.public_key()), b"short"), "has a wrong signature"),
        ((CLIENT, "x" * 10_000, b""), "which is not a trusted key"),
        (("x" * 10_000, "", b""), "only client may make it"),
    ):
        with pytest.raises(SignatureError, match=why) as refused:
            keyring.check(signature, b"statement", [CLIENT], "it")
        assert len(str(refused.value)) < 300


def test_a_new_key_is_known_as_soon_as_it_is_in_the_file_and_the_old_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    write_trusted(file, client=[OLD])
    keyring = Keyring({}, TrustedKeys.read(file))
    with pytest.raises(SignatureError, match="not a trusted key"):
        keyring.check(signed(NEW), b"statement", [CLIENT], "it")
    write_trusted(file, client=[NEW])
    for key in (NEW, OLD):
        keyring.check(signed(key), b"statement", [CLIENT], "it")


def test_a_file_that_is_wrong_or_gone_now_leaves_the_keys_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    write_trusted(file, client=[OLD])
    trusted = TrustedKeys.read(file)
    file.write_text("{")
    assert trusted.find(CLIENT, key_id(NEW.public_key())) is None
    file.unlink()
    assert trusted.find(CLIENT, key_id(NEW.public_key())) is None
    assert trusted.find(CLIENT, key_id(OLD.public_key())) is not None


def test_a_service_is_named_by_the_key_that_is_trusted(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    write_trusted(file, client=[OLD], aggregator=[NEW])
    own = write_private(tmp_path / "own.pem", OLD)
    assert load_keyring(own, file).services == {CLIENT}
    assert load_keyring(None, file).services == frozenset()
    write_trusted(file, aggregator=[NEW])
    with pytest.raises(InvalidInputError, match="nobody would believe this service"):
        load_keyring(own, file)


@pytest.mark.parametrize("text", ["{", "[]", '{"client": "x"}', '{"client": ["no base64!"]}', '{"client": ["c2hvcnQ="]}'])
def test_a_list_of_another_form_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match="is no list of trusted keys"):
        TrustedKeys.read(file)


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no key")
    write_private(tmp_path / "ec.pem", ec.generate_private_key(ec.SECP256R1()))
    for name in ("text.pem", "ec.pem"):
        with pytest.raises(InvalidInputError, match=f"{name} has no private Ed25519 key"):
            read_private(tmp_path / name)


def test_keys_of_a_process_alone_are_drawn_once_and_sign_for_every_service() -> None:
    assert own_keys() is own_keys()
    own_keys().check(own_keys().sign(CLIENT, b"x"), b"x", [CLIENT], "it")
