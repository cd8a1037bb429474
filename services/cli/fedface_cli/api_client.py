"""The control API as the commands see it: typed answers, and its errors as our own error tree."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from httpx_sse import connect_sse
from pydantic import BaseModel, ValidationError

from fedface_core.contracts.http import (
    MODEL_SHA256_HEADER,
    PROBLEM_MEDIA_TYPE,
    Problem,
    Report,
    RoundList,
    RunDetail,
    RunList,
    StoredModel,
)
from fedface_core.domain.errors import (
    FedFaceError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    WrongPhaseError,
)
from fedface_core.domain.plan import Plan

DEFAULT_URL = "http://127.0.0.1:8000"
_ERRORS = {404: NotFoundError, 409: WrongPhaseError, 413: InvalidInputError, 422: InvalidInputError, 503: UnavailableError}
_CHUNK = 1 << 20
_SILENCE = 5.0  # seconds; a connection that died looks like a run in which nothing happens
BodyT = TypeVar("BodyT", bound=BaseModel)


@dataclass(frozen=True)
class RunEvent:
    """One line of a run's event stream. ``id`` is where to go on after it; ``name`` says what happened, ``data`` to what.

    The event `progress` is not part of the run's history: its data are a `RunSummary` of the moment.
    """

    id: str
    name: str
    data: dict[str, Any]


class ControlApi:
    """A connection to the control API at ``url`` (by default FEDFACE_API_URL, then `DEFAULT_URL`)."""

    def __init__(self, url: str | None = None, transport: httpx.BaseTransport | None = None) -> None:
        self.url = (url or os.environ.get("FEDFACE_API_URL") or DEFAULT_URL).rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise InvalidInputError(f"the API's URL is {self.url!r}; it must start with http:// or https://")
        self._http = httpx.Client(base_url=self.url, timeout=30.0, transport=transport)

    def create(self, plan: Plan) -> RunDetail:
        """Create a run; it waits to be started."""
        return self._call(RunDetail, "POST", "/runs", json=plan.model_dump(mode="json"))

    def start(self, run_id: str) -> RunDetail:
        """Start a created run."""
        return self._call(RunDetail, "POST", f"/runs/{run_id}/start")

    def cancel(self, run_id: str) -> RunDetail:
        """Cancel a run that has not ended."""
        return self._call(RunDetail, "POST", f"/runs/{run_id}/cancel")

    def runs(self) -> RunList:
        """All runs, newest first."""
        return self._call(RunList, "GET", "/runs")

    def run(self, run_id: str) -> RunDetail:
        """One run with its plan."""
        return self._call(RunDetail, "GET", f"/runs/{run_id}")

    def rounds(self, run_id: str) -> RoundList:
        """The rounds of a run, in order."""
        return self._call(RoundList, "GET", f"/runs/{run_id}/rounds")

    def report(self, run_id: str, number: int) -> Report:
        """The evaluator's report of a round."""
        return self._call(Report, "GET", f"/runs/{run_id}/rounds/{number}/report")

    def events(self, run_id: str, after: str = "") -> Iterator[RunEvent]:
        """The run's events after the one with id ``after``, as they happen, until the run has ended.

        `UnavailableError` where nothing happens for some seconds: ask again from the last event's id.
        """
        headers = {"Last-Event-ID": after} if after else {}
        path = f"/runs/{run_id}/events"
        with self._problems(), connect_sse(self._http, "GET", path, headers=headers, timeout=_SILENCE) as source:
            _raise_for_problem(source.response)
            for event in source.iter_sse():
                if event.data:  # a keep-alive comes as an event without any
                    yield RunEvent(event.id, event.event, event.json())

    def download_model(self, run_id: str, path: Path) -> str:
        """Write the run's newest model to ``path``, whole or not at all; returns its SHA-256, which was checked."""
        part = path.with_name(path.name + ".part")
        digest = hashlib.sha256()
        with self._problems(), self._http.stream("GET", f"/runs/{run_id}/model") as response:
            _raise_for_problem(response)
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                for chunk in response.iter_bytes(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            promised = response.headers.get(MODEL_SHA256_HEADER)
        if digest.hexdigest() != promised:
            part.unlink()
            raise UnavailableError(
                f"the model of {run_id} arrived damaged: its SHA-256 is {digest.hexdigest()}, not {promised}; try again"
            )
        part.replace(path)
        return digest.hexdigest()

    def upload_model(self, path: Path) -> StoredModel:
        """Store a model file, so that a plan may start from it by its SHA-256."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None
        sha256 = hashlib.sha256(data).hexdigest()
        headers = {"Content-Type": "application/octet-stream"}
        return self._call(StoredModel, "PUT", f"/models/{sha256}", content=data, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _call(self, body: type[BodyT], method: str, path: str, **request: Any) -> BodyT:
        with self._problems():
            response = self._http.request(method, path, **request)
        _raise_for_problem(response)
        try:
            return body.model_validate_json(response.content)
        except ValidationError:
            raise UnavailableError(f"what answers at {self.url} is not a control API of this version of FedFace") from None

    @contextmanager
    def _problems(self) -> Iterator[None]:
        """httpx's errors as ours."""
        try:
            yield
        except httpx.ConnectError:
            raise UnavailableError(
                f"no control API at {self.url}: start one with `fedface up` or `docker compose up`, "
                "or say where it is with FEDFACE_API_URL"
            ) from None
        except httpx.TimeoutException:
            raise UnavailableError(f"the control API at {self.url} does not answer in time; try again") from None
        except httpx.TransportError as error:
            raise UnavailableError(f"the control API at {self.url} broke off: {error}") from None


def _raise_for_problem(response: httpx.Response) -> None:
    if response.is_success:
        return
    response.read()
    kind = _ERRORS.get(response.status_code, FedFaceError)
    if response.headers.get("content-type", "").split(";")[0] != PROBLEM_MEDIA_TYPE:
        raise kind(f"{response.request.url} answered {response.status_code} {response.reason_phrase}")
    problem = Problem.model_validate_json(response.content)
    fields = "".join(f"\n  {wrong.field}: {wrong.message}" for wrong in problem.errors)
    raise kind(problem.detail + fields)
