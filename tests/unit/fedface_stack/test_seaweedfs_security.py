"""What closes the ports of SeaweedFS: certificates and token keys of each start, and no key of the authority is kept."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fedface_stack.seaweedfs_security import OPTIONS, write_security


def written(folder: Path) -> dict[str, Any]:
    write_security(folder)
    return tomllib.loads((folder / "security.toml").read_text())


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / name).read_bytes())


def test_each_part_asks_for_a_certificate(tmp_path: Path) -> None:
    grpc = written(tmp_path)["grpc"]
    assert grpc.pop("ca") == "authority.pem"
    assert {*grpc} == {"master", "volume", "filer", "s3", "client"}
    assert all(one == {"cert": "certificate.pem", "key": "key.pem"} for one in grpc.values())


def test_each_http_port_asks_for_a_token_of_its_own_secret(tmp_path: Path) -> None:
    jwt = written(tmp_path)["jwt"]
    tokens = [jwt["signing"], jwt["signing"]["read"], jwt["filer_signing"], jwt["filer_signing"]["read"]]
    assert len({token["key"] for token in tokens}) == 4
    assert all(len(token["key"]) == 48 and token["expires_after_seconds"] == 10 for token in tokens)
    assert {"-disableHttp", "-filer.disableHttp", "-filer.disableDirListing"} == {*OPTIONS}


def test_the_certificate_is_signed_by_the_authority_and_is_none_itself(tmp_path: Path) -> None:
    write_security(tmp_path)
    authority = certificate(tmp_path, "authority.pem")
    own = certificate(tmp_path, "certificate.pem")
    own.verify_directly_issued_by(authority)
    assert own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is True
    key = load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == own.public_key() != authority.public_key()
    assert {path.name for path in tmp_path.iterdir()} == {"authority.pem", "certificate.pem", "key.pem", "security.toml"}


def test_nothing_of_one_start_is_believed_at_the_next(tmp_path: Path) -> None:
    first = written(tmp_path)
    old = certificate(tmp_path, "certificate.pem")
    second = written(tmp_path)
    assert first["jwt"] != second["jwt"]
    with pytest.raises(InvalidSignature):
        old.verify_directly_issued_by(certificate(tmp_path, "authority.pem"))
