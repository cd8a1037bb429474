"""What the console asks of the control API, for one reader: with that reader's token, and nothing else."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from httpx_sse import aconnect_sse
from pydantic import BaseModel, SecretStr, ValidationError

from fedface_console.errors import ApiAwayError, ApiProblemError, PageError, SignedOutError
from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE, Health, Problem
from fedface_core.contracts.sign_in import Me, WaysToSignIn
from fedface_core.domain.role import Role

BodyT = TypeVar("BodyT", bound=BaseModel)
SECONDS: Final = 20.0
STREAM_SILENCE_SECONDS: Final = 30.0
"""The API sends a keep-alive more often than that."""
MOST_EVENTS: Final = 100_000


class Reader(Me):
    """Who looks at a page, as the API knows them (`GET /v1/me`)."""

    def may(self, role: Role) -> bool:
        """Whether the reader has the role."""
        return role in self.roles


@dataclass(frozen=True)
class Event:
    """One event of a run's audit trail."""

    id: str
    name: str
    data: dict[str, Any]


def connection_to(url: str, most: int, authorities: Path | None = None) -> httpx.AsyncClient:
    """A client of the server at ``url``, with ``most`` connections at once.

    It reads no proxy from the environment: the API and Prometheus are neighbours.
    """
    trusted: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(authorities)) if authorities else True
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=min(most, 50))
    return httpx.AsyncClient(base_url=url, timeout=SECONDS, trust_env=False, verify=trusted, limits=limits)


class TokenAuth(httpx.Auth):
    """An API key or an access token that a reader has given, which ends when it ends."""

    def __init__(self, token: str) -> None:
        self._token = SecretStr(token)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """The request with the token."""
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        yield request


class ControlApi:
    """The API as one reader sees it. ``auth`` says who that is; without it the reader has not signed in.

    Every method raises what the API answers with, as an `ApiProblemError`, or `SignedOutError` for status 401, and
    `AwayError` if there is no answer, of the API or of the issuer that has to renew the reader's token.
    """

    def __init__(self, http: httpx.AsyncClient, auth: httpx.Auth | None) -> None:
        self._http = http
        self._auth = auth

    async def get(self, body: type[BodyT], path: str, **params: str | int | None) -> BodyT:
        """The answer to a GET of ``path``. Parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._parsed(body, await self._answer("GET", path, params=given))

    async def json(self, path: str) -> Any:
        """The answer to a GET of ``path``, as plain JSON."""
        answer = await self._answer("GET", path)
        try:
            return answer.json()
        except ValueError:
            raise self._unknown() from None

    async def text(self, path: str) -> str:
        """The answer to a GET of ``path``, as text."""
        return (await self._answer("GET", path)).text

    async def health(self) -> dict[str, str]:
        """Each dependency of the API: ``ok``, or why it cannot be used."""
        try:
            answer = await self._http.get("/readyz")
            return Health.model_validate_json(answer.content).checks
        except httpx.RequestError as error:
            raise self._away(error) from None
        except ValidationError:
            raise self._unknown() from None

    async def change(
        self, body: type[BodyT], method: str, path: str, *, key: str | None = None, **request: Any
    ) -> BodyT | None:
        """The answer to a request that changes something, carried out once for each ``key``. None if it has no body."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = await self._answer(method, path, headers=headers, **request)
        return None if answer.status_code == httpx.codes.NO_CONTENT else self._parsed(body, answer)

    async def reader(self) -> Reader:
        """Who the reader is."""
        return await self.get(Reader, "/v1/me")

    async def ways_to_sign_in(self) -> WaysToSignIn:
        """How people sign in."""
        return await self.get(WaysToSignIn, "/v1/sign-in")

    async def changes(self, run_id: str) -> AsyncIterator[None]:
        """Yield whenever something happens in the run, until it ends."""
        async with self._events(run_id, follow=True) as events:
            async for _ in events:
                yield

    async def audit_trail(self, run_id: str) -> list[Event]:
        """The run's events so far, oldest first, `MOST_EVENTS` at most."""
        found: list[Event] = []
        async with self._events(run_id, follow=False) as events:
            async for event in events:
                if event.name != "progress" and len(found) < MOST_EVENTS:
                    found.append(event)
        return found

    @asynccontextmanager
    async def download(self, path: str) -> AsyncIterator[httpx.Response]:
        """A GET whose body is read in parts, within the context."""
        request = self._http.build_request("GET", path)
        try:
            answer = await self._http.send(request, stream=True, auth=self._auth)
        except httpx.RequestError as error:
            raise self._away(error) from None
        try:
            if not answer.is_success:
                await answer.aread()
                raise _problem(answer)
            yield answer
        finally:
            await answer.aclose()

    @asynccontextmanager
    async def _events(self, run_id: str, *, follow: bool) -> AsyncIterator[AsyncIterator[Event]]:
        asked: dict[str, Any] = {
            "auth": self._auth,
            "params": {"follow": str(follow).lower()},
            "timeout": httpx.Timeout(SECONDS, read=STREAM_SILENCE_SECONDS),
        }
        try:
            async with aconnect_sse(self._http, "GET", f"/v1/runs/{run_id}/events", **asked) as source:
                if not source.response.is_success:
                    await source.response.aread()
                    raise _problem(source.response)
                yield _parsed_events(source.aiter_sse())
        except httpx.RequestError as error:
            raise self._away(error) from None

    async def _answer(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, headers=headers, auth=self._auth, **request)
        except httpx.InvalidURL:
            raise PageError("A field of this form or address is too long.") from None
        except httpx.RequestError as error:
            raise self._away(error) from None
        if not answer.is_success:
            raise _problem(answer)
        return answer

    def _away(self, error: httpx.RequestError) -> ApiAwayError:
        what = "in time" if isinstance(error, httpx.TimeoutException) else f"({type(error).__name__})"
        return ApiAwayError(f"Nothing answers at {self._http.base_url} {what}. Look whether control runs there.")

    def _parsed(self, body: type[BodyT], answer: httpx.Response) -> BodyT:
        try:
            return body.model_validate_json(answer.content)
        except ValidationError:
            raise self._unknown() from None

    def _unknown(self) -> ApiAwayError:
        return ApiAwayError(f"What answers at {self._http.base_url} is not a control API of this version of FedFace.")


async def _parsed_events(stream: AsyncIterator[Any]) -> AsyncIterator[Event]:
    async for event in stream:
        if not event.data:  # a keep-alive
            continue
        try:
            data = json.loads(event.data)
        except ValueError:
            continue  # an event of a later version; the page reads the run's state anyway
        yield Event(event.id, event.event, data if isinstance(data, dict) else {})


def _problem(answer: httpx.Response) -> ApiProblemError:
    """The problem that the API has answered with."""
    title = f"{answer.status_code} {answer.reason_phrase}"
    problem = Problem(title=title, status=answer.status_code, detail=f"{answer.request.url.path} answered {title}.")
    if answer.headers.get("content-type", "").split(";")[0] == PROBLEM_MEDIA_TYPE:
        with suppress(ValidationError):
            problem = Problem.model_validate_json(answer.content)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return SignedOutError(problem.detail)
    return ApiProblemError(answer.status_code, problem.title, problem.detail, problem.errors)
