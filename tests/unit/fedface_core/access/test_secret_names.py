"""Secrets come from the environment or from files; what is missing or cannot be used is named and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.access.secret_names import REDIS, redis_secrets, secret, secret_name, with_redis_user
from fedface_core.domain.errors import InvalidInputError

GOOD = {secret_name(REDIS, identity): f"secret-of-{identity}" for identity in with_redis_user()}


def test_each_identity_gets_its_secret() -> None:
    assert {str(identity): found for identity, found in redis_secrets(GOOD).items()}["client"] == "secret-of-client"


@pytest.mark.parametrize("wrong", ["", "short", "with space and more", "with\nline-end", "ünïcödé-secret", "a#b>c-secret"])
def test_a_secret_that_cannot_be_used_is_named_and_not_shown(wrong: str) -> None:
    with pytest.raises(InvalidInputError, match="REDIS_PASSWORD_CLIENT") as refused:
        redis_secrets(GOOD | {"REDIS_PASSWORD_CLIENT": wrong})
    assert not wrong or wrong not in str(refused.value)


def test_no_two_services_share_a_secret() -> None:
    with pytest.raises(InvalidInputError, match="are the same secret"):
        redis_secrets(GOOD | {"REDIS_PASSWORD_CLIENT": GOOD["REDIS_PASSWORD_SWEEP"]})


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("in-a-file\n")
    assert secret({"X_FILE": str(tmp_path / "secret")}, "X") == "in-a-file"
    with pytest.raises(InvalidInputError, match="X_FILE"):
        secret({"X_FILE": str(tmp_path / "missing")}, "X")
    with pytest.raises(InvalidInputError, match="X and X_FILE are both set"):
        secret({"X_FILE": str(tmp_path / "secret"), "X": "another"}, "X")
    assert secret({"X_FILE": str(tmp_path / "secret"), "X": ""}, "X") == "in-a-file", "compose sets what is not given so"
