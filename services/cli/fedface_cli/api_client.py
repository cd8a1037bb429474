"""The control API as the commands see it: typed answers, and its errors as our own error tree."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from httpx_sse import connect_sse
from pydantic import BaseModel, ValidationError
from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_random_exponential

from fedface_cli.api_problems import BrokenConnectionError, raise_for_problem, transport_errors_in_words
from fedface_core.contracts.http import (
    MODEL_SHA256_HEADER,
    Garbage,
    RestoredRuns,
    RoundList,
    RunDetail,
    RunList,
    StoredModel,
)
from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import VerificationReport

DEFAULT_URL = "http://127.0.0.1:8000"
_ATTEMPTS = 5
PAUSES = wait_random_exponential(multiplier=0.2, max=3)
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
        return self._change(RunDetail, "POST", "/runs", json=plan.model_dump(mode="json"))

    def clone(self, run_id: str, changes: Mapping[str, Any]) -> RunDetail:
        """Create a run of another run's plan with changes, a JSON merge patch: null takes the default."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/clone", json=changes)

    def start(self, run_id: str) -> RunDetail:
        """Start a created run."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/start")

    def pause(self, run_id: str, *, now: bool = False) -> RunDetail:
        """Start nothing new: pause once the round in flight has finished, or ``now``, keeping it as it is."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/pause", params={"now": now})

    def resume(self, run_id: str) -> RunDetail:
        """Go on where the run was paused."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/resume")

    def cancel(self, run_id: str) -> RunDetail:
        """Cancel a run that has not ended."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/cancel")

    def delete(self, run_id: str, confirm: str) -> RunDetail:
        """Have a run and its artifacts removed; ``confirm`` is its id once more. `NotFoundError` once it is gone."""
        return self._change(RunDetail, "DELETE", f"/runs/{run_id}", params={"confirm": confirm})

    def restore(self, run_id: str) -> RunDetail:
        """Bring a run back that the ledger has lost. `WrongPhaseError` where it is there, be it by an attempt before."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/restore")

    def restore_all(self) -> RestoredRuns:
        """Bring back every run that the artifact store knows and the ledger does not."""
        return self._change(RestoredRuns, "POST", "/restore")

    def garbage(self, older_than_hours: float, *, remove: bool) -> Garbage:
        """The artifacts that nothing names and that are older; removed where told so."""
        older = {"older_than_hours": older_than_hours}
        if remove:
            return self._change(Garbage, "DELETE", "/garbage", params=older)
        return self._call(Garbage, "GET", "/garbage", params=older)

    def close_round(self, run_id: str, number: int) -> RunDetail:
        """Close the open round with the updates accepted so far."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/rounds/{number}/close")

    def retry_round(self, run_id: str, number: int) -> RunDetail:
        """Abandon the round, and have another opened with a fresh cohort."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/rounds/{number}/retry")

    def skip_evaluation(self, run_id: str, number: int) -> RunDetail:
        """Do not have the round's model version scored."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/rounds/{number}/skip-evaluation")

    def runs(self, limit: int | None = None, before: str | None = None) -> RunList:
        """The newest runs, newest first; those older than the run ``before`` only, where given."""
        asked = {"limit": limit, "before": before}
        return self._call(
            RunList, "GET", "/runs", params={name: value for name, value in asked.items() if value is not None}
        )

    def run(self, run_id: str) -> RunDetail:
        """One run with its plan."""
        return self._call(RunDetail, "GET", f"/runs/{run_id}")

    def rounds(self, run_id: str) -> RoundList:
        """The rounds of a run, in order."""
        return self._call(RoundList, "GET", f"/runs/{run_id}/rounds")

    def report(self, run_id: str, number: int) -> VerificationReport:
        """The evaluator's report of a round."""
        return self._call(VerificationReport, "GET", f"/runs/{run_id}/rounds/{number}/report")

    def events(self, run_id: str, after: str = "", *, follow: bool = True) -> Iterator[RunEvent]:
        """The run's events after the one with id ``after``: those so far, or as they happen until the run has ended.

        `UnavailableError` where nothing happens for some seconds: ask again from the last event's id.
        """
        headers = {"Last-Event-ID": after} if after else {}
        asked = {"headers": headers, "params": {"follow": follow}, "timeout": _SILENCE}
        with self._problems(), connect_sse(self._http, "GET", f"/runs/{run_id}/events", **asked) as source:
            raise_for_problem(source.response)
            for event in source.iter_sse():
                if event.data:  # a keep-alive comes as an event without any
                    yield RunEvent(event.id, event.event, event.json())

    def download_model(self, run_id: str, path: Path) -> str:
        """Write the run's newest model to ``path``, whole or not at all; returns its SHA-256, which was checked."""
        part = path.with_name(path.name + ".part")
        digest = hashlib.sha256()
        with self._problems(), self._http.stream("GET", f"/runs/{run_id}/model") as response:
            raise_for_problem(response)
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
        return self._change(StoredModel, "PUT", f"/models/{sha256}", content=data, headers=headers)

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

    def _change(self, body: type[BodyT], method: str, path: str, **request: Any) -> BodyT:
        """A call that changes something: sent again where it is unknown whether it arrived.

        The key makes it one request, however often it arrives: the API carries it out once.
        """
        headers = {"Idempotency-Key": uuid.uuid4().hex} | request.pop("headers", {})
        again = Retrying(retry=_worth_another, stop=stop_after_attempt(_ATTEMPTS), wait=PAUSES, reraise=True)
        answer: BodyT = again(self._call, body, method, path, headers=headers, **request)
        return answer

    def _call(self, body: type[BodyT], method: str, path: str, **request: Any) -> BodyT:
        with self._problems():
            response = self._http.request(method, path, **request)
        raise_for_problem(response)
        try:
            return body.model_validate_json(response.content)
        except ValidationError:
            raise UnavailableError(f"what answers at {self.url} is not a control API of this version of FedFace") from None

    def _problems(self) -> AbstractContextManager[None]:
        return transport_errors_in_words(self.url)


def _worth_another(state: RetryCallState) -> bool:
    """Whether to send it again. Nobody there to begin with is for the user to know at once; later it may be a restart."""
    error = state.outcome.exception() if state.outcome else None
    return isinstance(error, BrokenConnectionError) and (error.may_have_arrived or state.attempt_number > 1)
