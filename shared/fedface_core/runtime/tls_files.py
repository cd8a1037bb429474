"""The files of TLS that settings name: trusted authorities, and the certificate and key of a server of ours.

They are looked at when a service starts, so that a wrong one is a wrong setting, and no error of each connection.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_file import read_bytes

MAX_PEM_BYTES: Final = 2**20
"""Of one file of certificates or keys. All authorities that a Debian machine trusts take 220 kB."""


def check_authorities(path: Path) -> None:
    """Raise `ValueError` unless the file holds certificates of authorities in PEM form."""
    _read(path)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"is {path}, which holds no certificate of an authority in PEM form") from None


def check_pair(certificate: Path, key: Path) -> None:
    """Raise `ValueError` unless the files are a server's certificate, which has not ended, and its private key.

    A key that needs a password is refused: nobody could type it.
    """
    pem = _read(certificate)
    _read(key)
    try:
        leaf = x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        raise ValueError(f"is {certificate}, which holds no certificate in PEM form") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError):
        raise ValueError(f"is {certificate}, and {key} is not its private key in PEM form without a password") from None
    end = leaf.not_valid_after_utc
    if end <= datetime.now(UTC):
        raise ValueError(f"is {certificate}, which ended on {end:%Y-%m-%d}: renew it")


def check_pair_of(service: str, certificate: Path | None, key: Path | None) -> None:
    """Raise `ValueError`, which names the settings, if there is one of a service's certificate and key, or if they do not
    belong together. ``service`` is its name within the settings: ``API``.
    """
    names = (f"FEDFACE_{service}_TLS_CERTIFICATE_FILE", f"FEDFACE_{service}_TLS_KEY_FILE")
    if certificate is not None and key is not None:
        try:
            check_pair(certificate, key)
        except ValueError as error:
            raise ValueError(f"{names[0]} {error}") from None
    elif certificate is not None or key is not None:
        raise ValueError(f"{' and '.join(names)} belong together: set both, or none")


def _no_password() -> str:
    return ""


def _read(path: Path) -> bytes:
    if not path.is_file():  # a pipe would be waited for
        raise ValueError(f"is {str(path)!r:.300}: give the path of a file in PEM form")
    try:
        return read_bytes(path, MAX_PEM_BYTES)
    except InvalidInputError as error:
        raise ValueError(f"cannot be used: {error}") from None
