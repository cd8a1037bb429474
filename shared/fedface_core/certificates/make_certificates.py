"""``python -m fedface_core.certificates.make_certificates DIRECTORY``: what a deployment needs to speak TLS.

    authority/private.key    signs the certificates; only this command reads it
    public/ca.crt            the authority's certificate, which clients trust: FEDFACE_REDIS_CA_FILE and its like
    NAME/public.crt          the certificate of the server NAME (the names of the two files are those that MinIO asks for)
    NAME/private.key         its key

Only what is missing is made; nothing is overwritten, but for the servers' certificates with ``--renew``, which keeps keys,
names and authority. ``--host NAME=HOST`` adds a host name or an IP address to the certificate of one server, and may be
repeated. Only their owner can read the keys.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fedface_core.certificates.authority import (
    authority_certificate,
    key_bytes,
    names_in,
    new_key,
    read_certificate,
    read_key,
    server_certificate,
)
from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_file import read_bytes
from fedface_core.files.secret_file import private_files
from fedface_core.files.whole_file import make_folder, write_whole
from fedface_core.runtime.exit_message import exit_message

SERVERS: Final = ("control", "sweep", "client", "aggregator", "evaluator", "redis", "minio")
"""The servers of docker-compose.tls.yml. There, each is a host name."""

_OF_EACH: Final = ("localhost", "127.0.0.1", "::1")  # health checks ask here
_SOON: Final = timedelta(days=30)
_MAX_BYTES: Final = 2**16
_MODE_OF_CERTIFICATES: Final = 0o644


def make_certificates(
    directory: Path, hosts: Mapping[str, Sequence[str]], *, renew: bool, now: datetime, say: Callable[[str], None]
) -> None:
    """Make what is missing in ``directory`` of the layout above, and ``say`` what was made, kept, and ends soon.

    ``hosts`` adds host names and addresses to those of a server. ``renew``: each server gets a new certificate for the key
    and the names that it has. `InvalidInputError` if a file that is there is not what it should be; `OSError`, which names
    the file, if one cannot be written.
    """
    unknown = sorted(hosts.keys() - set(SERVERS))
    if unknown:
        raise InvalidInputError(f"there is no server {unknown[0]!r:.80}: name one of {', '.join(SERVERS)}")
    with private_files():
        authority, authority_key = _authority(directory, now, say)
        for name in SERVERS:
            key = _key(directory / name / "private.key")
            path = directory / name / "public.crt"
            names = list(dict.fromkeys([name, *_OF_EACH, *hosts.get(name, ())]))
            if path.exists():
                present = _certificate_at(path)
                if not renew:
                    _check_kept(path, present, key, authority, names)
                    _say_kept(path, present, now, say, "use --renew, and restart the servers")
                    continue
                names = list(dict.fromkeys([*names, *names_in(present)]))
            made = server_certificate(name, names, key, authority, authority_key, now)
            _write_certificate(path, made)
            say(f"made {path} for {', '.join(names)}; it ends on {made.not_valid_after_utc:%Y-%m-%d}")


def _authority(
    directory: Path, now: datetime, say: Callable[[str], None]
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    path = directory / "public" / "ca.crt"
    key_path = directory / "authority" / "private.key"
    if path.exists() and not key_path.exists():
        raise InvalidInputError(f"{path} is there and {key_path} is not: put it back, or move both away")
    key = _key(key_path)
    if path.exists():
        authority = _certificate_at(path)
        if authority.public_key() != key.public_key():
            raise InvalidInputError(f"{path} is not the certificate of {key_path}: put back the one that belongs to it")
        if authority.not_valid_after_utc <= now:
            raise InvalidInputError(
                f"{path} ended on {authority.not_valid_after_utc:%Y-%m-%d}, and nothing can be signed with it: move it and "
                f"{key_path} away, and give --renew, to have an authority and certificates made anew"
            )
        _say_kept(path, authority, now, say, "move it and its key away soon, give --renew, and give clients the new one")
    else:
        authority = authority_certificate(key, now)
        _write_certificate(path, authority)
        say(f"made {path}, which clients are to trust; it ends on {authority.not_valid_after_utc:%Y-%m-%d}")
    return authority, key


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in the file, which is made if it is missing."""
    if not path.exists():
        make_folder(path.parent)
        write_whole(path, key_bytes(new_key()))
    return read_key(read_bytes(path, _MAX_BYTES), str(path))


def _check_kept(
    path: Path,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    names: Sequence[str],
) -> None:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise InvalidInputError(f"{path} is of another authority: move it away, or use --renew") from None
    if certificate.public_key() != key.public_key():
        raise InvalidInputError(f"{path} is not the certificate of the key beside it: move it away, or use --renew")
    lacking = [name for name in names if name not in names_in(certificate)]
    if lacking:
        raise InvalidInputError(f"{path} is there without the name {lacking[0]}: use --renew to have it signed anew")


def _certificate_at(path: Path) -> x509.Certificate:
    return read_certificate(read_bytes(path, _MAX_BYTES), str(path))


def _say_kept(path: Path, certificate: x509.Certificate, now: datetime, say: Callable[[str], None], remedy: str) -> None:
    end = certificate.not_valid_after_utc
    if end <= now + _SOON:
        say(f"kept {path}, which {'ended' if end <= now else 'ends'} on {end:%Y-%m-%d}: {remedy}")
    else:
        say(f"kept {path}; it ends on {end:%Y-%m-%d}")


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    make_folder(path.parent)
    write_whole(path, certificate.public_bytes(serialization.Encoding.PEM))
    path.chmod(_MODE_OF_CERTIFICATES)


def _hosts(given: Sequence[str]) -> dict[str, list[str]]:
    hosts: dict[str, list[str]] = {}
    for text in given:
        name, equals, host = text.partition("=")
        if not equals or not host:
            raise InvalidInputError(f"--host is {text!r:.80}: give SERVER=HOST, such as control=faces.example.org")
        hosts.setdefault(name, []).append(host)
    return hosts


@exit_message("certificates")
def main() -> None:
    """Make the certificates as the arguments say. The exit status is 78 if a file or an argument is wrong."""
    parser = argparse.ArgumentParser(prog="make_certificates", description="Make the certificates of a deployment.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--host", action="append", default=[], metavar="SERVER=HOST", help="a further name of a server")
    parser.add_argument("--renew", action="store_true", help="sign new certificates for the servers' keys")
    options = parser.parse_args()
    hosts = _hosts(options.host)
    make_certificates(options.directory, hosts, renew=options.renew, now=datetime.now(UTC), say=print)


if __name__ == "__main__":
    main()
