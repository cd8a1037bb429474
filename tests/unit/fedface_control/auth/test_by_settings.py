"""Settings decide who may use the API, and a way in there must be."""

from __future__ import annotations

from typing import Any

import pytest

from fedface_control.auth.by_settings import sign_in_by
from fedface_control.auth.principal import Principal
from fedface_core.adapters.memory import MemoryApiKeys
from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.domain.role import Role
from fedface_core.runtime.settings import ControlSettings
from support.oidc_issuer import AUDIENCE, serving_issuer
from support.signing_in import key_for

FIRST = "0123456789abcdef01234567"
METRICS = "76543210fedcba9876543210"


def settings(**given: object) -> ControlSettings:
    others = {"redis_url": "redis://:own@127.0.0.1:1/0", "artifacts": "directory", "artifact_directory": "/artifacts"}
    return ControlSettings.model_validate(others | given)


def test_the_keys_of_the_settings() -> None:
    sign_in = sign_in_by(settings(api_first_key=FIRST, api_metrics_key=METRICS), MemoryApiKeys())
    assert sign_in.principal(FIRST) == Principal("key:first", frozenset({Role.ADMIN}))
    assert sign_in.principal(METRICS) == Principal("key:metrics", frozenset({Role.METRICS}))
    assert not sign_in.open


@pytest.mark.parametrize("roles", [[], [Role.OPERATOR]])
def test_nobody_could_sign_in(roles: list[Role]) -> None:
    keys = MemoryApiKeys()
    if roles:
        key_for(keys, "ann", roles)
    with pytest.raises(InvalidInputError, match="nobody can sign in: set FEDFACE_API_FIRST_KEY"):
        sign_in_by(settings(api_metrics_key=METRICS), keys)


def test_the_first_key_is_not_needed_once_there_are_others() -> None:
    keys = MemoryApiKeys()
    token = key_for(keys, "ann", [Role.ADMIN])
    assert sign_in_by(settings(), keys).principal(token).actor == "key:ann"


def test_a_redis_that_is_away_is_waited_for() -> None:
    class Away(MemoryApiKeys):
        def all(self) -> Any:
            raise UnavailableError("away")

    assert not sign_in_by(settings(), Away()).open


def test_an_issuer_is_asked_at_the_start_and_may_be_away() -> None:
    with serving_issuer() as small:
        sign_in = sign_in_by(settings(oidc_issuer=small.url, oidc_audience=AUDIENCE, oidc_client_id="cli"), MemoryApiKeys())
        assert small.asked["/keys"] == 1
        assert sign_in.principal(small.token()).actor == "oidc:ann"
    away = sign_in_by(settings(oidc_issuer="http://127.0.0.1:1", oidc_audience=AUDIENCE), MemoryApiKeys())
    assert away.tokens is not None


def test_an_open_api_asks_no_issuer() -> None:
    with serving_issuer() as small:
        sign_in = sign_in_by(settings(api_open=True, oidc_issuer=small.url, oidc_audience=AUDIENCE), MemoryApiKeys())
        assert (sign_in.open, sign_in.tokens, small.asked.total()) == (True, None, 0)


@pytest.mark.parametrize("asks", [True, False])
def test_clients_ask_for_the_audience_if_the_settings_say_so(asks: bool) -> None:
    given = {"oidc_issuer": "https://issuer.invalid", "oidc_audience": AUDIENCE, "oidc_ask_for_audience": asks}
    assert sign_in_by(settings(**given), MemoryApiKeys()).audience == (AUDIENCE if asks else None)
