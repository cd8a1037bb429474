"""The sessions of `fedface login`, one for each control API: kept by the keyring of the system, or else in a file.

The file of a session is in a folder of which only its owner sees anything (0700), and only its owner may read it (0600). It
also says whether the keyring keeps the tokens, so that no keyring is asked where nobody has signed in.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from platformdirs import user_state_path
from pydantic import BaseModel, ConfigDict, ValidationError

from fedface_core.contracts.oidc import Token
from fedface_core.domain.errors import FedFaceError, InvalidInputError
from fedface_core.files.bounded_file import read_bytes
from fedface_core.files.whole_file import make_folder, write_whole

_SERVICE: Final = "fedface"
_MOST_BYTES: Final = 131_072
_SPARE_SECONDS: Final = 30.0
"""A token that ends sooner could end on its way."""
_OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Session(BaseModel):
    """Who has signed in at one API: the issuer's tokens, and what is needed to refresh them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: str
    issuer: str
    client_id: str
    token_endpoint: str
    access_token: Token
    refresh_token: Token | None = None
    expires_at: float | None = None
    """By this machine's clock, in seconds since 1970; None if the issuer did not say."""

    @property
    def ends_soon(self) -> bool:
        """Whether the access token has ended, or will within seconds."""
        return self.expires_at is not None and time.time() > self.expires_at - _SPARE_SECONDS


def keep_session(session: Session) -> str:
    """Keep a session, instead of an earlier one at the same API. Returns where its tokens are, for the person to know."""
    path = _path(session.api_url)
    text = json.dumps(_with_secrets(session), allow_nan=False)
    backend = system_keyring()
    if backend is not None:
        try:
            backend.set_password(_SERVICE, session.api_url, text)
        except Exception as error:
            kept_in_file = f"{path}, since the keyring refuses ({type(error).__name__})"
        else:
            _write(path, {"kept_in": "keyring"})
            return f"the keyring {backend.name}"
    else:
        kept_in_file = str(path)
    _write(path, {"kept_in": "file", "session": text})
    return kept_in_file


def kept_session(api_url: str) -> Session | None:
    """The session at an API; None if nobody has signed in there.

    `InvalidInputError` if others may read its file. `FedFaceError` if the keyring does not answer, or if what is kept cannot
    be read.
    """
    path = _path(api_url)
    if not path.exists():
        return None
    mode = path.stat().st_mode
    if os.name == "posix" and mode & _OF_OTHERS:
        raise InvalidInputError(f"others may read {path}, which can hold your tokens: chmod 600 {path}")
    try:
        record = json.loads(read_bytes(path, _MOST_BYTES))
        text = record["session"] if record["kept_in"] == "file" else _of_keyring(api_url)
        return None if text is None else Session.model_validate_json(text)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        if isinstance(error, FedFaceError):
            raise
        # The message of such an error would quote what is kept.
        raise FedFaceError(f"what is kept in {path} cannot be read: sign in again with `fedface login`") from None


def forget_session(api_url: str) -> bool:
    """Remove the session at an API from wherever it is kept. False if there was none.

    `FedFaceError` if the keyring does not answer; then the session stays.
    """
    path = _path(api_url)
    if not path.exists():
        return False
    backend = system_keyring()
    if backend is not None:
        with _asking(backend):
            if backend.get_password(_SERVICE, api_url) is not None:
                backend.delete_password(_SERVICE, api_url)
    path.unlink()
    return True


def system_keyring() -> Any:
    """The keyring of this system; None if it has none that keeps anything."""
    import keyring  # looks for D-Bus, so only where it is needed

    backend = keyring.get_keyring()
    return backend if backend.priority > 0 else None


def _of_keyring(api_url: str) -> str | None:
    backend = system_keyring()
    if backend is None:
        raise FedFaceError("the keyring that keeps your session is away: unlock it, or set FEDFACE_TOKEN")
    with _asking(backend):
        kept: str | None = backend.get_password(_SERVICE, api_url)
    return kept


@contextmanager
def _asking(backend: Any) -> Iterator[None]:
    """A context in which an error of a keyring is one of ours. Its own message is not quoted: it may have what is kept."""
    try:
        yield
    except Exception as error:
        raise FedFaceError(
            f"the keyring {backend.name} does not answer ({type(error).__name__}): unlock it, or set FEDFACE_TOKEN"
        ) from None


def _path(api_url: str) -> Path:
    name = hashlib.sha256(api_url.encode()).hexdigest()[:32]
    return user_state_path("fedface") / "sessions" / f"{name}.json"


def _write(path: Path, record: dict[str, str]) -> None:
    make_folder(path.parent)
    path.parent.chmod(stat.S_IRWXU)
    # `write_whole` keeps the permissions of a file that is there.
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, stat.S_IRUSR | stat.S_IWUSR))
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    write_whole(path, json.dumps(record, allow_nan=False).encode())


def _with_secrets(session: Session) -> dict[str, Any]:
    refresh = session.refresh_token
    secrets = {
        "access_token": session.access_token.get_secret_value(),
        "refresh_token": None if refresh is None else refresh.get_secret_value(),
    }
    return session.model_dump() | secrets
