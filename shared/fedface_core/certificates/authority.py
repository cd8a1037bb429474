"""An authority that signs the certificates of one deployment's servers: ECDSA with P-256, X.509 version 3 (RFC 5280)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedface_core.domain.errors import InvalidInputError

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 825
"""The longest that browsers accept of an authority of one's own."""

_CLOCKS: Final = timedelta(hours=1)  # by so much may the clock of who checks be late
_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*")
_CERTIFICATE_OF: Final = "FedFace, this deployment's own authority"


def new_key() -> ec.EllipticCurvePrivateKey:
    """A private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key in PEM form, without a password."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def read_key(pem: bytes, where: str) -> ec.EllipticCurvePrivateKey:
    """The private key in PEM form. `InvalidInputError`, which says ``where``, if it is none of ours."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidInputError(f"{where} is no private key of ours: put it back, or move it away to have a new one made")
    return key


def read_certificate(pem: bytes, where: str) -> x509.Certificate:
    """The certificate in PEM form. `InvalidInputError`, which says ``where``, if it is none."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise InvalidInputError(f"{where} is no certificate: put it back, or move it away to have a new one made") from None


def authority_certificate(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """The certificate of the authority with this key. It signs servers' certificates only."""
    name = _name(_CERTIFICATE_OF)
    builder = _certificate(name, name, key, now, now + timedelta(days=AUTHORITY_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def server_certificate(
    name: str,
    hosts: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    """The certificate of the server ``name`` with this key, for ``hosts``, which are host names and IP addresses.

    It does not outlive the authority, which must be valid ``now``. `InvalidInputError` if a host is neither a name nor an
    address.
    """
    end = min(now + timedelta(days=SERVER_DAYS), authority.not_valid_after_utc)
    builder = _certificate(_name(name), authority.subject, key, now, end)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_alternative(host) for host in hosts]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(authority_key, hashes.SHA256())


def names_in(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that a certificate is for; none if it does not say."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not _HOST.fullmatch(host):
            raise InvalidInputError(
                f"{host!r:.80} is no host name and no IP address: give names such as faces.example.org"
            ) from None
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
