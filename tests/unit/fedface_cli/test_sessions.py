"""Where sessions are kept: by the keyring of the system, or in a file that its owner alone can read."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from fedface_cli import sessions
from fedface_cli.sessions import Session, forget_session, keep_session, kept_session
from fedface_core.domain.errors import FedFaceError, InvalidInputError

URL = "https://control.example"
SECRET = "s3cr3t"


class Keyring:
    """A keyring of a system, in memory."""

    name = "test keyring"
    priority = 5

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def _check(self) -> None:
        if self.is_locked:
            raise OSError(f"locked, and {SECRET} is in the message")

    def get_password(self, service: str, name: str) -> str | None:
        self._check()
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self._check()
        self.kept[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


@pytest.fixture
def keyring(home: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    backend = Keyring()
    monkeypatch.setattr(sessions, "system_keyring", lambda: backend)
    return backend


def session() -> Session:
    return Session(
        api_url=URL,
        issuer="https://issuer.example",
        client_id="cli",
        token_endpoint="https://issuer.example/token",
        access_token=SecretStr(SECRET),
        refresh_token=SecretStr(f"{SECRET}-2"),
        expires_at=1.0,
    )


def files(home: Path) -> list[Path]:
    return [path for path in (home / "state").rglob("*") if path.is_file()]


def test_a_session_comes_back_from_its_file(home: Path) -> None:
    assert keep_session(session()) == str(files(home)[0])
    assert kept_session(URL) == session()
    assert kept_session("https://another.example") is None


def test_a_keyring_keeps_the_tokens_and_the_file_has_none(home: Path, keyring: Keyring) -> None:
    assert keep_session(session()) == "the keyring test keyring"
    assert kept_session(URL) == session()
    assert SECRET not in files(home)[0].read_text()
    assert forget_session(URL)
    assert (keyring.kept, files(home)) == ({}, [])


def test_no_keyring_is_asked_where_nobody_has_signed_in(keyring: Keyring) -> None:
    keyring.is_locked = True
    assert kept_session(URL) is None
    assert not forget_session(URL)


def test_a_locked_keyring_is_told_and_not_taken_for_no_session(keyring: Keyring) -> None:
    keep_session(session())
    keyring.is_locked = True
    with pytest.raises(FedFaceError, match=r"does not answer \(OSError\): unlock it, or set FEDFACE_TOKEN") as told:
        kept_session(URL)
    assert SECRET not in str(told.value)
    with pytest.raises(FedFaceError, match="does not answer"):
        forget_session(URL)
    keyring.is_locked = False
    assert kept_session(URL) == session()


def test_a_session_that_no_keyring_takes_is_kept_in_the_file(home: Path, keyring: Keyring) -> None:
    keyring.is_locked = True
    assert "since the keyring refuses (OSError)" in keep_session(session())
    (path,) = files(home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_session(URL) == session()


def test_a_file_that_others_may_read_is_refused(home: Path) -> None:
    keep_session(session())
    (path,) = files(home)
    path.chmod(0o640)
    with pytest.raises(InvalidInputError, match=f"chmod 600 {path}"):
        kept_session(URL)
    keep_session(session())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"kept_in": "file", "session": "{\\"access_token\\": \\"s3cr3t\\"}"}', "\xff"]
)
def test_a_damaged_file_is_told_without_what_it_holds(home: Path, text: str) -> None:
    keep_session(session())
    (path,) = files(home)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FedFaceError, match="cannot be read: sign in again with `fedface login`") as told:
        kept_session(URL)
    assert SECRET not in str(told.value)


def test_a_machine_without_a_keyring_has_none(home: Path) -> None:
    assert sessions.system_keyring() is None
