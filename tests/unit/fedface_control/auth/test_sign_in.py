"""Who signs in with what; what is refused, and what is told of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import structlog
from fastapi.testclient import TestClient

from fedface_control.auth.errors import BadCredentialsError, NotSignedInError
from fedface_control.auth.principal import Principal
from fedface_control.auth.sign_in import SignIn, path_without_prefix
from fedface_core.adapters.memory import MemoryApiKeys
from fedface_core.domain.api_key import key_id
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.role import Role
from support.open_sign_in import open_sign_in
from support.problem_details import problem
from support.signing_in import FIRST_KEY, bearer, client_of, closed_sign_in, key_for


class CountingKeys(MemoryApiKeys):
    """Counts how often a use is written; ``full``: it cannot be."""

    def __init__(self) -> None:
        super().__init__()
        self.noted = 0
        self.full = False

    def note_use(self, key_id: str, day: date) -> None:
        self.noted += 1
        if self.full:
            raise UnavailableError("Redis is full")
        super().note_use(key_id, day)


@pytest.fixture
def keys() -> CountingKeys:
    return CountingKeys()


@pytest.fixture
def sign_in(keys: CountingKeys) -> SignIn:
    return closed_sign_in(keys=keys)


@pytest.fixture(scope="module")
def shared() -> SignIn:
    return closed_sign_in()


@pytest.fixture(scope="module")
def api(shared: SignIn) -> Iterator[TestClient]:
    with client_of(shared) as client:
        yield client


def test_a_key_of_the_settings_is_that_of_an_admin(sign_in: SignIn) -> None:
    assert sign_in.principal(FIRST_KEY) == Principal("key:first", frozenset({Role.ADMIN}))


def test_a_stored_key_is_that_of_its_holder(sign_in: SignIn, keys: CountingKeys) -> None:
    token = key_for(keys, "ann", [Role.VIEWER, Role.OPERATOR])
    assert sign_in.principal(token) == Principal("key:ann", frozenset({Role.VIEWER, Role.OPERATOR}))


def test_the_use_of_a_key_is_written_once_a_day(sign_in: SignIn, keys: CountingKeys) -> None:
    token = key_for(keys, "ann", [Role.VIEWER])
    for _ in range(5):
        sign_in.principal(token)
    assert keys.noted == 1
    assert keys.find(key_id("ann")) == (keys.all()[0][0], datetime.now(UTC).date())
    keys.note_use(key_id("ann"), date(2026, 1, 1))
    sign_in.principal(token)
    assert keys.noted == 3


def test_a_full_redis_still_lets_people_in(sign_in: SignIn, keys: CountingKeys) -> None:
    token = key_for(keys, "ann", [Role.VIEWER])
    keys.full = True
    with structlog.testing.capture_logs() as logs:
        assert sign_in.principal(token).actor == "key:ann"
    assert [record["event"] for record in logs] == ["key_use_not_noted"]


def test_a_key_ends(sign_in: SignIn, keys: CountingKeys) -> None:
    token = key_for(keys, "ann", [Role.VIEWER], days=1, ago=timedelta(days=1))
    with pytest.raises(BadCredentialsError, match="the API key 'ann' has expired"):
        sign_in.principal(token)
    assert keys.noted == 0


def test_a_deleted_key_is_none(sign_in: SignIn, keys: CountingKeys) -> None:
    token = key_for(keys, "ann", [Role.VIEWER])
    keys.delete(key_id("ann"))
    with pytest.raises(BadCredentialsError, match="there is no such API key"):
        sign_in.principal(token)


def test_the_key_of_one_is_not_that_of_another(sign_in: SignIn, keys: CountingKeys) -> None:
    ann, ben = (key_for(keys, name, [Role.VIEWER]) for name in ("ann", "ben"))
    mixed = ann[:19] + "_" + ben[20:]
    assert mixed != ann
    with pytest.raises(BadCredentialsError, match="there is no such API key"):
        sign_in.principal(mixed)


WRONG = {
    "nothing": [],
    "an empty header": [""],
    "a scheme alone": ["Bearer"],
    "blanks": ["Bearer    "],
    "another scheme": [f"Basic {FIRST_KEY}"],
    "no scheme": [FIRST_KEY],
    "two headers": [f"Bearer {FIRST_KEY}", f"Bearer {FIRST_KEY}"],
    "a part of the key": [f"Bearer {FIRST_KEY[:-1]}"],
    "more than the key": [f"Bearer {FIRST_KEY}0"],
    "other letters": [f"Bearer {FIRST_KEY.upper()}"],
    "without end": [f"Bearer {'a' * 9000}"],
    "a token where there is no issuer": ["Bearer a.b.c"],
    "text that is none": ["Bearer \udcff\x00"],
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_credential_is_refused_and_not_quoted(sign_in: SignIn, case: str) -> None:
    with structlog.testing.capture_logs() as logs, pytest.raises(NotSignedInError) as refused:
        sign_in.admit(WRONG[case], "192.0.2.1")
    told = f"{refused.value} {logs}"
    assert FIRST_KEY[:8] not in told
    assert FIRST_KEY[:8].upper() not in told


def test_the_scheme_is_written_in_any_way(sign_in: SignIn) -> None:
    assert sign_in.admit([f"bEARER  {FIRST_KEY} "], "192.0.2.1").actor == "key:first"


def test_nothing_of_it_shows_a_secret(sign_in: SignIn, keys: CountingKeys) -> None:
    token = key_for(keys, "ann", [Role.VIEWER])
    shown = f"{sign_in!r} {sign_in.known[0].__dict__!r} {keys.all()!r}"
    assert FIRST_KEY not in shown
    assert token.split("_", 2)[2] not in shown


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs", "/v1/sign-in"])
def test_some_paths_are_open_to_all(api: TestClient, path: str) -> None:
    assert api.get(path).status_code == 200
    assert api.get(path, headers=bearer("wrong")).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/runs", "/v1/me", "/v1/keys", "/nothing", "/docs/../runs", "/healthz/"])
def test_all_others_are_not(api: TestClient, path: str) -> None:
    response = api.get(path)
    problem(response, 401, "Not signed in")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Cache-Control"] == "no-store"
    wrong = api.get(path, headers=bearer("wrong"))
    problem(wrong, 401, "Not signed in")
    assert wrong.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_the_body_of_who_has_not_signed_in_is_not_read(api: TestClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": "100"}
    assert api.post("/v1/runs", content=b"{", headers=headers).status_code == 401  # and not 422
    assert api.post("/v1/runs", content=b"{", headers=headers | bearer(FIRST_KEY)).status_code == 422


def test_an_open_api_lets_everybody_in_and_looks_at_no_credentials() -> None:
    with client_of(open_sign_in()) as api:
        for headers in ({}, bearer("wrong"), {"Authorization": "Basic x"}):
            assert api.get("/v1/me", headers=headers).json() == {
                "actor": None,
                "roles": sorted(Role),
                "sign_in": False,
            }


def test_redis_away_is_a_503_that_says_when_to_come_again(
    shared: SignIn, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = key_for(shared.keys, "away", [Role.VIEWER])

    def away(*_: object) -> None:
        raise UnavailableError("Redis at redis:6379 does not answer")

    monkeypatch.setattr(shared.keys, "find", away)
    response = api.get("/v1/runs", headers=bearer(token))
    problem(response, 503, "Unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert api.get("/v1/runs", headers=bearer(FIRST_KEY)).status_code == 200, "what is known by a setting needs no Redis"


@pytest.mark.parametrize(
    ("prefix", "path", "found"),
    [
        ("", "/runs", "/runs"),
        ("/fedface", "/fedface/runs", "/runs"),
        ("/fedface", "/runs", "/runs"),
        ("/fedface", "/fedfacehealthz", "/fedfacehealthz"),
        ("/healthz", "/healthz", "/healthz"),
    ],
)
def test_the_prefix_of_a_proxy_is_no_part_of_the_path(prefix: str, path: str, found: str) -> None:
    assert path_without_prefix({"path": path, "root_path": prefix}) == found


def test_the_log_names_the_actor(api: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    with caplog.at_level(logging.INFO):
        made = api.post("/v1/keys", json={"name": "logged", "roles": ["viewer"]}, headers=bearer(FIRST_KEY))
    assert made.status_code == 201
    (record,) = [record for record in caplog.records if record.getMessage() == "api_key_made"]
    assert record.__dict__["actor"] == "key:first"
