"""Keys are made once, are private, and can be replaced while the old ones are still trusted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.errors import InvalidInputError
from fedface_core.signing.errors import SignatureError
from fedface_core.signing.keys import Keyring, load_keyring
from fedface_core.signing.make_keys import main, make_keys, signing_key_file, trusted_keys_file
from fedface_core.signing.makers import SIGNERS


def keyring(folder: Path, service: str) -> Keyring:
    return load_keyring(signing_key_file(folder, service), trusted_keys_file(folder))


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    files = [signing_key_file(tmp_path, service) for service in SIGNERS]
    before = [file.read_bytes() for file in files]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert {file.parent.stat().st_mode & 0o777 for file in files} == {0o700}
    capsys.readouterr()
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "all keys are there\n"
    assert [file.read_bytes() for file in files] == before
    assert [keyring(tmp_path, service).services for service in SIGNERS] == [{service} for service in SIGNERS]


def test_a_replaced_key_and_the_old_one_are_believed_until_the_old_one_is_dropped(tmp_path: Path) -> None:
    make_keys(tmp_path)
    old = keyring(tmp_path, CLIENT).sign(CLIENT, b"statement")
    reader = load_keyring(None, trusted_keys_file(tmp_path))
    signing_key_file(tmp_path, CLIENT).unlink()
    make_keys(tmp_path)
    new = keyring(tmp_path, CLIENT).sign(CLIENT, b"statement")
    for signature in (old, new):
        reader.check(signature, b"statement", [CLIENT], "the object")  # it started before the new key was made
    trusted = json.loads(trusted_keys_file(tmp_path).read_text())
    trusted[CLIENT] = trusted[CLIENT][1:]
    trusted_keys_file(tmp_path).write_text(json.dumps(trusted))
    later = load_keyring(None, trusted_keys_file(tmp_path))
    later.check(new, b"statement", [CLIENT], "the object")
    with pytest.raises(SignatureError, match="not a trusted key of client"):
        later.check(old, b"statement", [CLIENT], "the object")


@pytest.mark.parametrize("content", [b"", b"no key", b"{}"])
def test_a_file_that_is_no_key_is_named_and_stays(tmp_path: Path, content: bytes) -> None:
    make_keys(tmp_path)
    file = signing_key_file(tmp_path, CLIENT)
    file.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"client/signing\.pem has no private Ed25519 key"):
        make_keys(tmp_path)
    assert file.read_bytes() == content
