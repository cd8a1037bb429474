from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from fedface_console.errors import IssuerAwayError, PageError, SignedOutError
from fedface_console.issuer import OidcClient, Registration
from fedface_console.issuer_sessions import MOST_OF_ONE, UNUSED_SECONDS, IssuerSession, IssuerSessions
from fedface_core.contracts.oidc import Tokens

URL = "https://id.example.org"


NO_HTTP = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(404)))


def tokens(number: int, seconds: float | None = 300.0, *, refresh: bool = True) -> Tokens:
    fields = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}" if refresh else None}
    return Tokens.model_validate(fields | {"expires_in": seconds})


class Renewals(OidcClient):
    """An issuer that renews tokens: refresh token n brings the tokens n + 1, once."""

    def __init__(self, error: PageError | None = None) -> None:
        super().__init__(NO_HTTP, Registration(client_id="c", redirect_uri="https://faces.example.org"))
        self.error = error
        self.asked: list[str] = []
        self.revoked: list[str] = []

    async def renewed(self, issuer: str, refresh_token: SecretStr) -> Tokens:
        secret = refresh_token.get_secret_value()
        assert issuer == URL
        assert secret not in self.asked, "a refresh token is good once"
        if self.error is not None:
            raise self.error
        self.asked.append(secret)
        await asyncio.sleep(0.01)
        return tokens(int(secret.rpartition("-")[2]) + 1)

    async def revoke(self, issuer: str, refresh_token: SecretStr) -> None:
        if self.error is not None:
            raise self.error
        self.revoked.append(refresh_token.get_secret_value())


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """An API that a session asks: it takes the access tokens with these numbers, and keeps those that it was sent."""

    def __init__(self, session: IssuerSession, *taken: int) -> None:
        self.sent: list[str] = []
        self._taken = {f"Bearer access-{number}" for number in taken}
        self._http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer), base_url="http://control", auth=session)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request.headers["authorization"].removeprefix("Bearer "))
        return httpx.Response(200 if request.headers["authorization"] in self._taken else 401)

    async def __call__(self) -> int:
        return (await self._http.get("/v1/me")).status_code


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_a_token_that_is_good_is_sent_as_it_is() -> None:
    renewals = Renewals()
    ask = Asked(IssuerSession(renewals, URL, tokens(0)), 0)
    assert run(ask()) == 200
    assert renewals.asked == []


def test_a_token_is_renewed_shortly_before_it_ends() -> None:
    clock = Clock()
    ask = Asked(IssuerSession(Renewals(), URL, tokens(0), clock=clock), 0, 1)
    run(ask())
    clock.now += 271
    run(ask())
    assert ask.sent == ["access-0", "access-1"]


def test_a_token_of_few_seconds_is_not_renewed_at_once() -> None:
    ask = Asked(IssuerSession(Renewals(), URL, tokens(0, seconds=20.0), clock=Clock()), 0)
    run(ask())
    assert ask.sent == ["access-0"]


def test_a_token_that_the_api_refuses_is_renewed_once() -> None:
    ask = Asked(IssuerSession(Renewals(), URL, tokens(0, seconds=None)), 1)
    assert run(ask()) == 200
    assert ask.sent == ["access-0", "access-1"]
    nobody = Asked(IssuerSession(Renewals(), URL, tokens(0)))
    assert run(nobody()) == 401
    assert nobody.sent == ["access-0", "access-1"]


def test_without_a_refresh_token_the_session_ends_with_its_token() -> None:
    clock = Clock()
    ask = Asked(IssuerSession(Renewals(), URL, tokens(0, refresh=False), clock=clock))
    clock.now += 1000
    assert run(ask()) == 401
    assert ask.sent == ["access-0"]


def test_requests_at_the_same_moment_renew_once() -> None:
    renewals = Renewals()
    ask = Asked(IssuerSession(renewals, URL, tokens(0)), 1)

    async def many() -> list[int]:
        return await asyncio.gather(*(ask() for _ in range(20)))

    assert run(many()) == [200] * 20
    assert renewals.asked == ["refresh-0"]


def test_a_request_that_is_given_up_loses_no_refresh_token() -> None:
    """The issuer has used it up, and what it gives for it has to be kept."""
    renewals = Renewals()
    ask = Asked(IssuerSession(renewals, URL, tokens(0)), 1)

    async def given_up() -> int:
        first = asyncio.create_task(ask())
        while not renewals.asked:
            await asyncio.sleep(0)
        first.cancel()
        return await ask()

    assert run(given_up()) == 200
    assert renewals.asked == ["refresh-0"]


def test_while_the_issuer_is_away_a_token_is_good_as_long_as_it_is() -> None:
    clock = Clock()
    ask = Asked(IssuerSession(Renewals(IssuerAwayError("It does not answer.")), URL, tokens(0), clock=clock), 0)
    clock.now += 280
    assert run(ask()) == 200
    clock.now += 30
    with pytest.raises(IssuerAwayError):
        run(ask())


def test_a_session_that_the_issuer_has_ended_says_so_from_then_on_and_asks_no_more() -> None:
    renewals = Renewals(SignedOutError("Your session has ended there."))
    ask = Asked(IssuerSession(renewals, URL, tokens(0)))
    for _ in range(2):
        with pytest.raises(SignedOutError, match="has ended there"):
            run(ask())
        renewals.error = None
    assert ask.sent == ["access-0"]
    assert renewals.asked == []


def test_who_signs_out_has_the_refresh_token_revoked_also_one_that_is_just_coming() -> None:
    renewals = Renewals()
    session = IssuerSession(renewals, URL, tokens(0))
    ask = Asked(session, 1)

    async def signing_out() -> None:
        request = asyncio.create_task(ask())
        while not renewals.asked:
            await asyncio.sleep(0)
        await session.end()
        await asyncio.wait({request})
        with pytest.raises(SignedOutError, match="You have signed out"):
            await ask()

    run(signing_out())
    assert renewals.revoked == ["refresh-1"]


def test_who_signs_out_is_signed_out_though_the_issuer_is_away() -> None:
    session = IssuerSession(Renewals(IssuerAwayError("It does not answer.")), URL, tokens(0))
    run(session.end())
    with pytest.raises(SignedOutError):
        run(Asked(session, 0)())


def session_of(actor: str, clock: Clock) -> IssuerSession:
    session = IssuerSession(Renewals(), URL, tokens(0), clock=clock)
    session.actor = actor
    return session


def test_sessions_are_found_by_ids_that_nobody_guesses() -> None:
    clock = Clock()
    sessions = IssuerSessions(clock=clock)
    ann = session_of("oidc:ann", clock)
    name = sessions.add(ann)
    assert sessions.find(name) is ann
    assert len(name) >= 43
    assert sessions.take(name) is ann
    assert sessions.take(name) is None
    with pytest.raises(SignedOutError, match="has ended"):
        sessions.find(name)


def test_of_too_many_sessions_the_one_that_was_not_used_for_longest_ends() -> None:
    clock = Clock()
    sessions = IssuerSessions(most=3, clock=clock)
    names = [sessions.add(session_of(f"oidc:{number}", clock)) for number in range(3)]
    sessions.find(names[0])
    sessions.add(session_of("oidc:new", clock))
    assert sessions.take(names[1]) is None
    assert sessions.take(names[0]) is not None


def test_one_person_displaces_nobody_else() -> None:
    clock = Clock()
    sessions = IssuerSessions(most=MOST_OF_ONE + 2, clock=clock)
    ann = sessions.add(session_of("oidc:ann", clock))
    bobs = [sessions.add(session_of("oidc:bob", clock)) for _ in range(2 * MOST_OF_ONE)]
    assert sessions.find(ann).actor == "oidc:ann"
    assert [name for name in bobs if sessions.take(name)] == bobs[-MOST_OF_ONE:]


def test_a_session_that_nobody_uses_ends() -> None:
    clock = Clock()
    sessions = IssuerSessions(clock=clock)
    name = sessions.add(session_of("oidc:ann", clock))
    clock.now += UNUSED_SECONDS + 1
    with pytest.raises(SignedOutError):
        sessions.find(name)
    sessions.add(session_of("oidc:bob", clock))
    assert sessions.take(name) is None
