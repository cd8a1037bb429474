"""What closes the ports of an embedded SeaweedFS but that of S3: they would answer everybody, without credentials.

SeaweedFS's parts talk to each other by gRPC and HTTP. Here each gRPC port asks for a certificate of an authority that is
made at each start and forgotten, and each HTTP port for a token that is signed with a secret of this start. Master and
filer serve nothing by HTTP (``-disableHttp``). The files lie in the server's own folder, which only its owner can read.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fedface_core.files.whole_file import write_whole

OPTIONS: Final = ("-disableHttp", "-filer.disableHttp", "-filer.disableDirListing")
"""Options of ``weed server``."""
_PARTS: Final = ("master", "volume", "filer", "s3", "client")
_TOKENS: Final = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
_VALID: Final = timedelta(days=3650)  # longer than any stack stays up; the next start makes another


def write_security(home: Path) -> None:
    """Write ``security.toml`` and the files that it names into the folder in which the server runs."""
    _write_certificates(home)
    sections = ['[grpc]\nca = "authority.pem"\n']
    sections += [f'[grpc.{part}]\ncert = "certificate.pem"\nkey = "key.pem"\n' for part in _PARTS]
    sections += [f'[{name}]\nkey = "{secrets.token_hex(24)}"\nexpires_after_seconds = 10\n' for name in _TOKENS]
    write_whole(home / "security.toml", "".join(sections).encode())


def _write_certificates(home: Path) -> None:
    """One certificate for all parts, and the authority that has signed it, whose key is not kept."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("FedFace's embedded SeaweedFS")
    authority = _certificate(authority_name, authority_name, authority_key, authority_key, is_authority=True)
    certificate = _certificate(_name("localhost"), authority_name, key, authority_key, is_authority=False)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_whole(home / "authority.pem", authority.public_bytes(serialization.Encoding.PEM))
    write_whole(home / "certificate.pem", certificate.public_bytes(serialization.Encoding.PEM))
    write_whole(home / "key.pem", private)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signing_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    return builder.sign(signing_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
