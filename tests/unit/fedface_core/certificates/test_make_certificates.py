"""One command makes the certificates of a deployment, and overwrites nothing."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedface_core.certificates.authority import AUTHORITY_DAYS, SERVER_DAYS, names_in, read_certificate
from fedface_core.certificates.make_certificates import SERVERS, main, make_certificates
from fedface_core.domain.errors import InvalidInputError
from fedface_core.runtime.tls_files import check_authorities, check_pair

NOW = datetime.now(UTC).replace(microsecond=0)


def make(
    folder: Path, *, hosts: Mapping[str, Sequence[str]] | None = None, renew: bool = False, now: datetime = NOW
) -> list[str]:
    """What the command says."""
    said: list[str] = []
    make_certificates(folder, hosts or {}, renew=renew, now=now, say=said.append)
    return said


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_of(folder: Path, server: str) -> list[str]:
    path = folder / server / "public.crt"
    return names_in(read_certificate(path.read_bytes(), str(path)))


def test_each_server_has_a_certificate_that_its_clients_trust(tmp_path: Path) -> None:
    make(tmp_path)
    check_authorities(tmp_path / "public/ca.crt")
    for server in SERVERS:
        check_pair(tmp_path / server / "public.crt", tmp_path / server / "private.key")
        assert names_of(tmp_path, server) == [server, "localhost", "127.0.0.1", "::1"]
        assert shakes_hands(tmp_path, server, server)
        assert not shakes_hands(tmp_path, server, "another")


def shakes_hands(folder: Path, server: str, host: str) -> bool:
    """Whether a client that trusts our authority accepts the server's certificate for the host, in memory."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(folder / server / "public.crt", folder / server / "private.key")
    theirs = ssl.create_default_context(cafile=folder / "public/ca.crt")
    pipes = (ssl.MemoryBIO(), ssl.MemoryBIO())
    client = theirs.wrap_bio(*pipes, server_hostname=host)
    other = ours.wrap_bio(pipes[1], pipes[0], server_side=True)
    for _ in range(4):
        for end in (client, other):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
            if end is client:
                return True
    raise AssertionError("the handshake came to no end")


def test_only_the_owner_reads_the_keys(tmp_path: Path) -> None:
    make(tmp_path / "new")
    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "new").rglob("*")}
    assert {mode for path, mode in modes.items() if path.suffix == ".key"} == {0o600}
    assert {mode for path, mode in modes.items() if path.suffix == ".crt"} == {0o644}


def test_what_is_there_is_kept_and_only_what_is_missing_is_made(tmp_path: Path) -> None:
    made = make(tmp_path)
    before = content(tmp_path)
    kept = make(tmp_path)
    assert len(kept) == len(made) > 0
    assert all(line.startswith("kept ") for line in kept)
    assert content(tmp_path) == before

    (tmp_path / "redis/public.crt").unlink()
    made = [line for line in make(tmp_path) if line.startswith("made ")]
    assert len(made) == 1
    after = content(tmp_path)
    assert {name for name in before if after[name] != before[name]} == {"redis/public.crt"}


def test_renewing_keeps_keys_names_and_authority(tmp_path: Path) -> None:
    make(tmp_path, hosts={"control": ["faces.example.org", "192.0.2.7"]})
    before = content(tmp_path)
    make(tmp_path, renew=True, now=NOW + timedelta(days=100))
    after = content(tmp_path)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {f"{server}/public.crt" for server in SERVERS}
    assert names_of(tmp_path, "control") == ["control", "localhost", "faces.example.org", "127.0.0.1", "::1", "192.0.2.7"]


def test_what_ends_is_told_and_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    make(tmp_path)
    late = NOW + timedelta(days=SERVER_DAYS - 10)
    assert make(tmp_path, now=late)[-1].endswith("use --renew, and restart the servers")
    assert "which ended on" in make(tmp_path, now=NOW + timedelta(days=SERVER_DAYS + 1))[-1]
    make(tmp_path, renew=True, now=NOW + timedelta(days=AUTHORITY_DAYS - 5))
    ends = {
        name: read_certificate(data, name).not_valid_after_utc for name, data in content(tmp_path).items() if ".crt" in name
    }
    assert max(ends.values()) == ends["public/ca.crt"]


@pytest.mark.parametrize("renew", [True, False])
def test_an_authority_that_ends_is_not_renewed_but_made_anew(tmp_path: Path, renew: bool) -> None:
    make(tmp_path)
    end = NOW + timedelta(days=AUTHORITY_DAYS)
    make(tmp_path, renew=True, now=end - timedelta(hours=3))
    assert "move it and its key away soon" in make(tmp_path, now=end - timedelta(hours=2))[0]
    with pytest.raises(
        InvalidInputError, match=r"ca\.crt ended on .* nothing can be signed with it: move it and .*private\.key"
    ):
        make(tmp_path, renew=renew, now=end)


@pytest.mark.parametrize(
    ("hosts", "complaint"),
    [
        ({"control": ["faces.example.org"]}, "without the name faces.example.org: use --renew"),
        ({"nobody": ["a"]}, "there is no server 'nobody': name one of control, "),
    ],
)
def test_a_host_is_never_left_out_in_silence(tmp_path: Path, hosts: dict[str, list[str]], complaint: str) -> None:
    make(tmp_path)
    with pytest.raises(InvalidInputError, match=complaint):
        make(tmp_path, hosts=hosts)


@pytest.mark.parametrize("host", ["two words", "-x", "https://faces.example.org", "*", ""])
def test_what_is_no_host_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(InvalidInputError, match="is no host name and no IP address"):
        make(tmp_path, hosts={"control": [host]})


@pytest.mark.parametrize(
    ("file", "data", "complaint"),
    [
        ("redis/private.key", b"x", "is no private key of ours"),
        ("redis/public.crt", b"x", "is no certificate"),
        ("public/ca.crt", b"x", "is no certificate"),
        ("authority/private.key", None, "put it back, or move both away"),
        ("redis/private.key", None, "is not the certificate of the key beside it"),
    ],
)
def test_a_damaged_or_lost_file_is_named(tmp_path: Path, file: str, data: bytes | None, complaint: str) -> None:
    make(tmp_path)
    if data is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(data)
    with pytest.raises(InvalidInputError, match=complaint):
        make(tmp_path)


def test_the_certificate_of_another_authority_is_named(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "b")
    for name in ("public.crt", "private.key"):
        (tmp_path / "a/redis" / name).write_bytes((tmp_path / "b/redis" / name).read_bytes())
    (tmp_path / "a/public/ca.crt").write_bytes((tmp_path / "b/public/ca.crt").read_bytes())
    with pytest.raises(InvalidInputError, match=r"ca\.crt is not the certificate of"):
        make(tmp_path / "a")
    (tmp_path / "a/authority/private.key").write_bytes((tmp_path / "b/authority/private.key").read_bytes())
    with pytest.raises(InvalidInputError, match="is of another authority"):
        make(tmp_path / "a")


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["make_certificates", str(tmp_path), "--host", "control=faces.example.org"])
    main()
    assert (
        "control/public.crt for control, localhost, 127.0.0.1, ::1, faces.example.org; it ends on" in capsys.readouterr().out
    )
    monkeypatch.setattr(sys, "argv", ["make_certificates", str(tmp_path), "--host", "control"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 78
    assert "certificates: --host is 'control': give SERVER=HOST" in capsys.readouterr().err


@pytest.mark.slow
def test_openssl_accepts_what_is_made(tmp_path: Path) -> None:
    make(tmp_path)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "minio"]
    files = ["-CAfile", str(tmp_path / "public/ca.crt"), str(tmp_path / "minio/public.crt")]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=30)
