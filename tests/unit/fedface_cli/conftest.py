"""What the tests of the command line share: folders of settings of their own, and an API that knows people."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_cli import issuer
from support.fake_sign_in import FakeSignIn, served_sign_in

__all__ = ["served_sign_in"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folders: ``config`` and ``state``."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def people(served_sign_in: FakeSignIn, home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSignIn:
    """The API that knows people, fresh, as the one that the commands talk to."""
    fresh = FakeSignIn(url=served_sign_in.url)
    for name, value in vars(fresh).items():
        setattr(served_sign_in, name, value)
    monkeypatch.setenv("FEDFACE_API_URL", served_sign_in.url)
    monkeypatch.setattr(issuer, "pause", lambda _seconds: None)
    return served_sign_in
