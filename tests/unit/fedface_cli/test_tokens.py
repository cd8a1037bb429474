"""What a token of the environment may be, and that none is quoted."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from fedface_cli.sessions import Session
from fedface_cli.tokens import token_of_environment
from fedface_core.domain.errors import InvalidInputError
from support.command_line import Invoke

SECRET = "s3cr3t-token"


@pytest.mark.parametrize("token", [f"{SECRET} two words", f"{SECRET}\x1b", f"{SECRET}é", f"{SECRET}\n\nmore", SECRET * 2000])
def test_what_cannot_be_a_token_is_refused_and_not_quoted(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("FEDFACE_TOKEN", token)
    code, out, err = fedface("run", "list")
    assert (code, SECRET in out + err) == (2, False)
    assert err.startswith("error: FEDFACE_TOKEN is no token: that is one word")


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"FEDFACE_TOKEN": SECRET, "FEDFACE_TOKEN_FILE": "/x"}, "are both set"),
        ({"FEDFACE_TOKEN_FILE": "/nonexistent"}, "give the path of a file"),
        ({"FEDFACE_TOKEN_FILE": "/dev/zero"}, "give the path of a file"),
    ],
)
def test_a_wrong_file_is_told(environ: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as told:
        token_of_environment(environ)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("token", ["", "two words", "line\n", "\xe9", "x" * 20_000])
def test_no_session_has_a_token_that_a_header_cannot_have(token: str) -> None:
    with pytest.raises(ValidationError):
        Session(
            api_url="http://control",
            issuer="https://issuer",
            client_id="cli",
            token_endpoint="https://issuer/token",
            access_token=SecretStr(token),
        )
