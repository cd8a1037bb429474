"""Refusals for who asks are errors of ours; being asked too often passes, so commands that wait go on."""

from __future__ import annotations

from fedface_cli.sign_in_errors import NotAllowedError, NotSignedInError, TooManyRequestsError
from fedface_core.domain.errors import UnavailableError


def test_only_too_many_requests_pass() -> None:
    assert isinstance(TooManyRequestsError("wait", 7), UnavailableError)
    assert TooManyRequestsError("wait", 7).seconds == 7
    assert not issubclass(NotSignedInError, UnavailableError)
    assert (NotSignedInError.status, NotAllowedError.status, TooManyRequestsError.status) == (401, 403, 429)
