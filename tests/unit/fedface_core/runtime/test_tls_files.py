"""Files of TLS that cannot be used are named when a service starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from fedface_core.runtime.tls_files import MAX_PEM_BYTES, check_authorities, check_pair


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> tuple[Path, Path]:
    """The files of a certificate and of its key."""
    return written(authority.issue_cert("127.0.0.1"), tmp_path)


def written(leaf: trustme.LeafCert, folder: Path, name: str = "own") -> tuple[Path, Path]:
    certificate = folder / f"{name}.crt"
    key = folder / f"{name}.key"
    leaf.cert_chain_pems[0].write_to_path(certificate)
    leaf.private_key_pem.write_to_path(key)
    return certificate, key


def test_a_pair_and_its_authority_are_accepted(authority: trustme.CA, files: tuple[Path, Path], tmp_path: Path) -> None:
    check_pair(*files)
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    check_authorities(tmp_path / "ca.crt")


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(files: tuple[Path, Path], tmp_path: Path, content: bytes) -> None:
    wrong = tmp_path / "wrong.crt"
    wrong.write_bytes(content)
    with pytest.raises(ValueError, match="no certificate of an authority in PEM form"):
        check_authorities(wrong)
    with pytest.raises(ValueError, match="no certificate in PEM form"):
        check_pair(wrong, files[1])
    with pytest.raises(ValueError, match="is not its private key"):
        check_pair(files[0], wrong)


def test_the_key_of_another_certificate_is_refused(authority: trustme.CA, files: tuple[Path, Path], tmp_path: Path) -> None:
    _, key = written(authority.issue_cert("other"), tmp_path, "other")
    with pytest.raises(ValueError, match=r"own\.crt, and .*other\.key is not its private key"):
        check_pair(files[0], key)


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(files: tuple[Path, Path], tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"secret")
    locked = tmp_path / "locked.key"
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    with pytest.raises(ValueError, match="without a password"):
        check_pair(files[0], locked)


def test_a_certificate_that_has_ended_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    ended = written(authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 2, tzinfo=UTC)), tmp_path)
    with pytest.raises(ValueError, match="which ended on 2020-01-02: renew it"):
        check_pair(*ended)


def test_what_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give the path of a file"):
        check_authorities(tmp_path)
    large = tmp_path / "large"
    large.write_bytes(b" " * (MAX_PEM_BYTES + 1))
    with pytest.raises(ValueError, match="too large"):
        check_authorities(large)
