"""A client of the control API: typed answers, and the API's errors as our own error tree."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from httpx_sse import connect_sse
from pydantic import BaseModel, ConfigDict, ValidationError
from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_random_exponential

from fedface_cli.api_problems import NOBODY, BrokenConnectionError, mapped_transport_errors, raise_for_problem
from fedface_cli.api_url import checked_api_url
from fedface_cli.proxies import transport_to
from fedface_cli.token_auth import ApiAuth
from fedface_core.contracts.http import (
    MODEL_SHA256_HEADER,
    DeadLetterList,
    Garbage,
    ModelCard,
    PlanCheck,
    RestoredRuns,
    RoundList,
    RunDetail,
    RunList,
    RunSummary,
    StoredModel,
)
from fedface_core.contracts.sign_in import KeyList, MadeKey, Me, WaysToSignIn
from fedface_core.domain.credentials import mask_url
from fedface_core.domain.errors import NotFoundError, UnavailableError
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import VerificationReport
from fedface_core.domain.role import Role
from fedface_core.files.bounded_file import read_bytes
from fedface_core.files.safetensors_header import MAX_MODEL_BYTES, check_safetensors
from fedface_core.files.whole_file import whole_file

API_PREFIX = "/v1"
"""What the paths of all operations begin with."""
DEFAULT_TIMEOUT = 30.0
"""How many seconds a connection waits for each part of an answer."""
_ATTEMPTS = 5
_AUTHORITIES = "SSL_CERT_FILE, or in --ca-file or FEDFACE_API_CA_FILE"
RETRY_WAIT = wait_random_exponential(multiplier=0.2, max=3)
_CHUNK_BYTES = 1 << 20
_RESTORING = httpx.Timeout(30.0, read=600.0)  # a run of many rounds takes long, and is best not asked for twice at once
_SILENCE_SECONDS = 5.0  # a broken connection looks like a run in which nothing happens
BodyT = TypeVar("BodyT", bound=BaseModel)


@dataclass(frozen=True)
class RunEvent:
    """One event of a run's stream: a line of its audit trail, or an event `progress` with the run's summary."""

    id: str
    """The id after which the stream can be continued; empty for `progress`."""
    name: str
    """What happened, such as ``round_opened``."""
    data: dict[str, Any]
    """What it happened to and why; for `progress` the fields of a `RunSummary`."""


class _AuditedEvent(BaseModel):
    """What the commands rely on in an event of the audit trail. It may say more."""

    model_config = ConfigDict(extra="allow", strict=True)

    at: str
    round: int | None = None


class ControlApi:
    """A connection to the control API at ``url``, as who ``auth`` says; None for nobody.

    Every method raises the error that the API answers with: `NotFoundError`, `WrongPhaseError`, `InvalidInputError`,
    `UnavailableError` or those of `fedface_cli.sign_in_errors`, and `UnavailableError` too if there is no answer. A request
    that changes something is sent again, with one idempotency key, if it is unknown whether it has arrived: all but
    `create_key`.
    `InvalidInputError` if ``url`` is not an HTTP URL, if the environment names a proxy that cannot be used, or if the
    ``ca_file`` has no certificates of authorities; without it, the machine's are trusted. ``where`` says in messages where
    the API is, without credentials. ``timeout``: how many seconds it waits for each part of an answer.
    """

    def __init__(
        self,
        url: str,
        transport: httpx.BaseTransport | None = None,
        *,
        auth: ApiAuth | None = None,
        ca_file: Path | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        base_url = checked_api_url(url.strip())
        self._through = ""
        if transport is None:
            transport, proxy = transport_to(base_url, ca_file)
            self._through = f" {proxy}" if proxy else ""
        self.where = mask_url(str(base_url)) + self._through
        self._authorities = _AUTHORITIES if ca_file is None else f"--ca-file, instead of {ca_file}"
        self._remedy = NOBODY if auth is None else auth.remedy
        self._http = httpx.Client(base_url=f"{base_url}{API_PREFIX}", auth=auth, timeout=timeout, transport=transport)

    def create(self, plan: Plan) -> RunDetail:
        """Create a run of a plan. The run does nothing until it is started."""
        return self._change(RunDetail, "POST", "/runs", json=plan.model_dump(mode="json"))

    def clone(self, run_id: str, changes: Mapping[str, Any]) -> RunDetail:
        """Create a run of another run's plan with changes: a JSON merge patch, in which null restores the default."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/clone", json=changes)

    def start(self, run_id: str) -> RunDetail:
        """Start a created run."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/start")

    def pause(self, run_id: str, *, now: bool = False) -> RunDetail:
        """Pause a run once the round in flight has finished, or ``now``, which suspends the round."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/pause", params={"now": now})

    def resume(self, run_id: str) -> RunDetail:
        """Continue a paused run."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/resume")

    def cancel(self, run_id: str) -> RunDetail:
        """Cancel a run that has not ended."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/cancel")

    def delete(self, run_id: str, confirm: str) -> RunDetail | None:
        """Have a run and its artifacts removed; ``confirm`` must be the run's id. `NotFoundError` once the run is gone.

        None if its record could not be read; then it is gone already.
        """
        answer = self._changed("DELETE", f"/runs/{run_id}", params={"confirm": confirm})
        return None if answer.status_code == httpx.codes.NO_CONTENT else self._body(RunDetail, answer)

    def restore(self, run_id: str) -> RunDetail:
        """Restore a run that the ledger has lost, or has an older state of.

        `WrongPhaseError` if it is there as in the store, even if an earlier try restored it.
        """
        return self._change(RunDetail, "POST", f"/runs/{run_id}/restore", timeout=_RESTORING)

    def restore_all(self) -> RestoredRuns:
        """Restore every run that the artifact store has and the ledger has lost."""
        return self._change(RestoredRuns, "POST", "/restore", timeout=_RESTORING)

    def garbage(self, older_than_hours: float, *, remove: bool) -> Iterator[Garbage]:
        """The artifacts that nothing names and that were put longer ago, page by page; removed if ``remove`` is set."""
        params: dict[str, Any] = {"older_than_hours": older_than_hours}
        while True:
            if remove:
                page = self._change(Garbage, "DELETE", "/garbage", params=params)
            else:
                page = self._call(Garbage, "GET", "/garbage", params=params)
            yield page
            if page.next is None:
                return
            params["after"] = page.next

    def close_round(self, run_id: str, number: int) -> RunDetail:
        """Close the open round with the updates accepted so far."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/rounds/{number}/close")

    def retry_round(self, run_id: str, number: int) -> RunDetail:
        """Abandon the round, and have another round opened with a fresh cohort."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/rounds/{number}/retry")

    def skip_evaluation(self, run_id: str, number: int) -> RunDetail:
        """Have the round finish without scores of its model version."""
        return self._change(RunDetail, "POST", f"/runs/{run_id}/rounds/{number}/skip-evaluation")

    def runs(
        self,
        limit: int | None = None,
        before: str | None = None,
        *,
        text: str | None = None,
        phase: str | None = None,
        owner: str | None = None,
    ) -> RunList:
        """The newest runs, newest first: ``limit`` of them at most, and only runs older than the run ``before`` if given.

        Only those whose name or id has the ``text``, in the ``phase``, whose owner's name has the text ``owner``, if given.
        """
        given = {"limit": limit, "before": before, "text": text, "phase": phase, "owner": owner}
        params = {name: value for name, value in given.items() if value is not None}
        return self._call(RunList, "GET", "/runs", params=params)

    def dead_letters(self, limit: int) -> DeadLetterList:
        """The newest messages that a worker has dropped, ``limit`` at most."""
        return self._call(DeadLetterList, "GET", "/dead-letters", params={"limit": limit})

    def run(self, run_id: str) -> RunDetail:
        """One run with its plan."""
        return self._call(RunDetail, "GET", f"/runs/{run_id}")

    def rounds(self, run_id: str) -> RoundList:
        """The rounds of a run, in order: those of all pages."""
        page = self._call(RoundList, "GET", f"/runs/{run_id}/rounds")
        rounds = [*page.rounds]
        unreadable = dict(page.unreadable)
        while page.next is not None:
            after = page.next
            page = self._call(RoundList, "GET", f"/runs/{run_id}/rounds", params={"after": after})
            rounds += page.rounds
            unreadable |= page.unreadable
            if page.next is not None and page.next <= after:  # else it would go on for ever
                raise self._not_our_api()
        return RoundList(rounds=rounds, unreadable=unreadable)

    def report(self, run_id: str, number: int) -> VerificationReport:
        """The verification report of a round: its scores and its ROC curve."""
        return self._call(VerificationReport, "GET", f"/runs/{run_id}/rounds/{number}/report")

    def events(self, run_id: str, after: str = "", *, follow: bool = True) -> Iterator[RunEvent]:
        """The run's events after the one with id ``after``: those so far, or as they happen until the run has ended.

        `UnavailableError` if nothing comes for some seconds: then call it again with the last event's id.
        """
        headers = {"Last-Event-ID": after} if after else {}
        request = {"headers": headers, "params": {"follow": follow}, "timeout": _SILENCE_SECONDS}
        with self._mapped_errors(), connect_sse(self._http, "GET", f"/runs/{run_id}/events", **request) as source:
            raise_for_problem(source.response, self._through, self._remedy)
            for event in source.iter_sse():
                if event.data:  # a keep-alive is an event without data
                    yield RunEvent(event.id, event.event, self._event_data(event.event, event.data))

    def download_model(self, run_id: str, path: Path) -> str:
        """Write the run's newest model to ``path``, whole or not at all. Returns its SHA-256.

        `UnavailableError` if the bytes that arrived have another SHA-256 than the API says. `OSError`, which names
        ``path``, if it cannot be written.
        """
        return self._download(f"/runs/{run_id}/model", path, f"the model of {run_id}")

    def download_model_version(self, sha256: str, path: Path) -> str:
        """Write the model version to ``path``, as `download_model` does."""
        return self._download(f"/models/{sha256}", path, f"the model {sha256}", expected=sha256)

    def model_card(self, sha256: str) -> ModelCard:
        """What is known of a model version: which run made it, by which plan."""
        return self._call(ModelCard, "GET", f"/models/{sha256}/card")

    def _download(self, address: str, path: Path, what: str, expected: str | None = None) -> str:
        digest = hashlib.sha256()
        with self._mapped_errors(), self._http.stream("GET", address) as response:
            raise_for_problem(response, self._through, self._remedy)
            wanted = expected or response.headers.get(MODEL_SHA256_HEADER)
            with whole_file(path) as file:
                for chunk in response.iter_bytes(_CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
                if digest.hexdigest() != wanted:
                    raise UnavailableError(
                        f"{what} arrived damaged: its SHA-256 is {digest.hexdigest()}, not {wanted}; try again"
                    )
        return digest.hexdigest()

    def upload_model(self, path: Path) -> StoredModel:
        """Store a model file, so that a plan can name it by its SHA-256.

        `InvalidInputError` if the file cannot be read or is not safetensors.
        """
        data = read_bytes(path, MAX_MODEL_BYTES)
        check_safetensors(data, str(path))
        sha256 = hashlib.sha256(data).hexdigest()
        headers = {"Content-Type": "application/octet-stream"}
        return self._change(StoredModel, "PUT", f"/models/{sha256}", content=data, headers=headers)

    def sign_in(self) -> WaysToSignIn:
        """How people sign in at this API. It tells everybody."""
        return self._call(WaysToSignIn, "GET", "/sign-in")

    def me(self) -> Me:
        """Who asks, and with which roles."""
        return self._call(Me, "GET", "/me")

    def create_key(self, name: str, roles: Sequence[Role], days: int) -> MadeKey:
        """Make an API key. The key itself is in this answer only, so the request is not sent again if none comes."""
        try:
            return self._call(MadeKey, "POST", "/keys", json={"name": name, "roles": list(roles), "days": days})
        except BrokenConnectionError as error:
            if not error.may_have_arrived:
                raise
            raise UnavailableError(
                f"{str(error).removesuffix('; try again')}; a key named {name!r} may have been made, which nobody has seen: "
                "look for it with `fedface keys list`, delete it with `fedface keys delete ID`, and try again"
            ) from None

    def keys(self) -> KeyList:
        """All API keys, without their secrets."""
        return self._call(KeyList, "GET", "/keys")

    def delete_key(self, key_id: str) -> None:
        """Have an API key believed no more. `NotFoundError` if there is none of this id."""
        path = f"/keys/{key_id}"
        try:
            self._answer("DELETE", path)
        except BrokenConnectionError as error:
            if not error.may_have_arrived:
                raise
            with suppress(NotFoundError):  # the request whose answer was lost has deleted it
                self._changed("DELETE", path)

    def check_plan(self, fields: Mapping[str, Any]) -> PlanCheck:
        """Whether the API takes these fields for a plan, with the defaults filled in and the costs of a run of it."""
        return self._body(PlanCheck, self._answer("POST", "/plans:check", json=fields))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def _change(self, body: type[BodyT], method: str, path: str, **request: Any) -> BodyT:
        return self._body(body, self._changed(method, path, **request))

    def _changed(self, method: str, path: str, **request: Any) -> httpx.Response:
        """A call that changes something: it is sent again if it is unknown whether it has arrived.

        With its idempotency key, the API carries it out once however often it arrives.
        """
        headers = {"Idempotency-Key": uuid.uuid4().hex} | request.pop("headers", {})
        retrying = Retrying(retry=_should_retry, stop=stop_after_attempt(_ATTEMPTS), wait=RETRY_WAIT, reraise=True)
        answer: httpx.Response = retrying(self._answer, method, path, headers=headers, **request)
        return answer

    def _call(self, body: type[BodyT], method: str, path: str, **request: Any) -> BodyT:
        return self._body(body, self._answer(method, path, **request))

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        with self._mapped_errors():
            response = self._http.request(method, path, **request)
        raise_for_problem(response, self._through, self._remedy)
        return response

    def _body(self, body: type[BodyT], response: httpx.Response) -> BodyT:
        try:
            return body.model_validate_json(response.content)
        except ValidationError:
            raise self._not_our_api() from None

    def _event_data(self, name: str, text: str) -> dict[str, Any]:
        """The fields of an event: a run's summary if it is `progress`, else those of the audit trail."""
        try:
            data: dict[str, Any] = json.loads(text, parse_constant=_refuse_constant)
            if name == "progress":
                RunSummary.model_validate(data)
            else:
                _AuditedEvent.model_validate(data)
                datetime.fromisoformat(data["at"])
        except (ValueError, RecursionError):
            raise self._not_our_api() from None
        return data

    def _not_our_api(self) -> UnavailableError:
        return UnavailableError(f"the server that answers at {self.where} is not a control API of this version of FedFace")

    def _mapped_errors(self) -> AbstractContextManager[None]:
        return mapped_transport_errors(self.where, self._authorities)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON, although Python's parser takes it")


def _should_retry(state: RetryCallState) -> bool:
    """Whether to send the request again.

    If the first try finds no API, the user should know at once; if a later one does, the API may be restarting.
    """
    error = state.outcome.exception() if state.outcome else None
    return isinstance(error, BrokenConnectionError) and (error.may_have_arrived or state.attempt_number > 1)
