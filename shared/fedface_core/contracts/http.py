"""The bodies of the control API. The request body of ``POST /v1/runs`` is a `Plan`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.dead_letter import DeadLetter
from fedface_core.domain.failures import StepFailure
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, Scores
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase

V1: Final = "/v1"
"""What the path of each operation begins with that has a version."""
PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_TYPES: Final = "urn:fedface:problem:"
"""What the type of each of the API's problems begins with. The rest is the title, and a heading of docs/problems.md."""
NO_TYPE: Final = "about:blank"
"""The type of a problem that says none (RFC 9457)."""
MODEL_SHA256_HEADER = "X-Model-SHA256"


class Body(BaseModel):
    """The base class of all bodies. They are frozen, and their numbers are finite: JSON has no others."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class RunSummary(Body):
    """A run and the progress of its current round."""

    id: str = Field(description="The run's id, `run-` and twelve hexadecimal digits.")
    name: str = Field(description="The plan's name, which need not be the run's alone.")
    phase: RunPhase = Field(description="The phase of the run.")
    round: int | None = Field(description="The current round's number; round 0 is enrolment.")
    rounds: int = Field(description="Training rounds in the plan.")
    finished_rounds: int = Field(default=0, description="Training rounds that have finished; abandoned ones do not count.")
    round_phase: RoundPhase | None = Field(default=None, description="The phase of the current round.")
    unreadable_round: str | None = Field(
        default=None, description="Why the record of the current round cannot be read; its counts are missing then."
    )
    deadline_at: datetime | None = Field(
        default=None, description="The deadline of the open round; it moves while the run is paused."
    )
    seconds_left: float | None = Field(
        default=None,
        description="Until that deadline, by the ledger's clock; it stands still while the run is paused, and is negative "
        "if the deadline has passed.",
    )
    quorum: int = Field(default=0, description="Accepted updates that close the current round.")
    invited: int = Field(default=0, description="Clients invited to the current round.")
    accepted: int = Field(default=0, description="Updates accepted in the current round.")
    failed: int = Field(default=0, description="Clients that failed in the current round.")
    late: int = Field(default=0, description="Clients whose update for the current round came too late.")
    unsettled: int = Field(default=0, description="Invited clients that the open round still waits for.")
    waiting_for: list[str] = Field(default_factory=list, description="A few of the unsettled clients.")
    scores: Scores | None = Field(default=None, description="The scores of the newest evaluated model version.")
    model_sha256: str | None = Field(default=None, description="The newest model version.")
    failure: str | None = Field(default=None, description="Why the run failed, and what can be done about it.")
    stopped_because: str | None = Field(default=None, description="Which condition of the plan completed the run.")
    cloned_from: str | None = Field(default=None, description="The run whose plan this one's was made of.")
    owner: str | None = Field(default=None, description="The actor who created it; null where nobody had signed in.")
    allowed: list[str] = Field(
        default_factory=list, description="The actions that an operator may take on the run in its phase."
    )
    created_at: datetime = Field(description="When it was created. Every time is one of the ledger's clock, in UTC.")
    started_at: datetime | None = Field(default=None, description="When it was started.")
    paused_at: datetime | None = Field(default=None, description="When its present pause began.")
    ended_at: datetime | None = Field(default=None, description="When it was completed, failed or was cancelled.")


class RunDetail(RunSummary):
    """A run with its plan, and what fails in it at present."""

    plan: Plan = Field(description="Everything that the run was asked for, with defaults filled in.")
    failing: list[StepFailure] = Field(
        default_factory=list, description="Steps that have failed and will be tried again, the newest failure first."
    )
    waits_because: str | None = Field(
        default=None,
        description="Which worker is missing, if none takes the tasks that the run waits for; none if it does not wait so.",
    )


class RunList(Body):
    """A list of runs, newest first."""

    runs: list[RunSummary] = Field(description="The runs of this page.")
    unreadable: dict[str, str] = Field(
        default_factory=dict, description="Run → why, of the runs whose records cannot be read. They can be deleted."
    )
    next: str | None = Field(
        default=None, description="What to give as `before` for the next page; none if there are no older runs."
    )
    looked_at: int = Field(default=0, description="Runs that were looked at, with those that a filter left out.")


class RestoredRuns(Body):
    """The result of a restoration: the runs that the ledger has again, and those that it could not get."""

    runs: list[RunSummary] = Field(description="The runs that were restored.")
    refused: dict[str, str] = Field(description="Run → why it could not be restored.")


class RoundView(Body):
    """One round of a run."""

    number: int = Field(description="The round's number; round 0 is enrolment.")
    phase: RoundPhase = Field(description="The phase of the round.")
    invited: int = Field(description="Clients that the round has invited.")
    accepted: int = Field(description="Updates that were accepted.")
    failed: dict[str, str] = Field(description="Client → reason.")
    late: int = Field(default=0, description="Clients whose update came too late.")
    opened_at: datetime = Field(description="When it was opened.")
    deadline_at: datetime = Field(
        description="When it closes with the updates that it has; of a masked round, when its phase ends."
    )
    closed_at: datetime | None = Field(description="When its acceptance ended; none while it takes updates.")
    finished_at: datetime | None = Field(description="When it finished or was abandoned.")
    base: int | None = Field(default=None, description="The finished round whose results the cohort started from.")
    abandoned_because: str | None = Field(default=None, description="Why it has no results, if it was abandoned.")
    model_sha256: str = Field(description="The model version that the cohort started from.")
    aggregation: Aggregation | None = Field(description="What its updates came to; none until they are averaged.")
    scores: Scores | None = Field(
        description="The scores of its model version; none until it is evaluated, or if that is skipped."
    )


class RoundList(Body):
    """A page of the rounds of a run, in order."""

    rounds: list[RoundView] = Field(description="The rounds of this page.")
    unreadable: dict[int, str] = Field(
        default_factory=dict, description="Number → why, of the rounds whose records cannot be read."
    )
    next: int | None = Field(
        default=None, description="The number after which the next page begins; null after the last page."
    )


class StoredModel(Body):
    """A model that a user has uploaded."""

    sha256: str = Field(description="The SHA-256 of its bytes, which names it.")
    size: int = Field(description="Bytes.")


class ModelVersion(Body):
    """A model version, and what it was made of."""

    sha256: str = Field(description="The SHA-256 of its bytes, which names it.")
    source: Literal["prepared", "round", "uploaded"] = Field(
        description="`prepared`: the model that a run begins with; `round`: what a round made; `uploaded`: by a user."
    )
    run_id: str | None = Field(default=None, description="The run that has made it.")
    round: int | None = Field(default=None, description="The round that has made it; round 0 is enrolment.")
    base_sha256: str | None = Field(
        default=None, description="The model version that it was trained from; none if its weights are new or published."
    )
    made_at: datetime | None = Field(default=None, description="When its round finished, or when it was uploaded.")
    scores: Scores | None = Field(default=None, description="Its scores, if it was evaluated.")


class ModelList(Body):
    """A page of model versions: those of the newest run first, in the order of its rounds, and uploaded ones last.

    Runs of equal plans make equal models; a model is listed for each run that made it.
    """

    models: list[ModelVersion] = Field(description="The model versions. A page may have none, and not be the last one.")
    next: str | None = Field(description="What to give as `after` for the next page; null after the last page.")


class ModelCard(Body):
    """What is known of a model version: who made it, of what, for what, and how good it is."""

    sha256: str = Field(description="The SHA-256 of its bytes, which names it.")
    size: int = Field(description="Bytes.")
    uploaded: bool = Field(description="Whether a user has uploaded it.")
    made_by: list[ModelVersion] = Field(description="The runs that made it, a few at most.")
    used_by: list[str] = Field(description="Runs that name it, to begin with or since they made it; a few at most.")
    plan: Plan | None = Field(default=None, description="The plan of the first run of `made_by`.")
    parameters: int | None = Field(default=None, description="How many numbers its network has, by that plan.")


class FieldProblem(Body):
    """One wrong field of a request."""

    field: str = Field(description="Dotted path in the body, such as `cohort.quorum`.")
    message: str = Field(description="What is wrong with it, and what would be right.")


class PlanCost(Body):
    """What a run of a plan costs about, if every round finishes and every invited client answers."""

    steps: int = Field(description="Gradient steps of all clients in all rounds.")
    multiplications: int = Field(description="Multiplications of clients, aggregator and evaluator, in all rounds.")
    bytes_up: int = Field(description="Bytes that the clients upload, in all rounds.")
    bytes_down: int = Field(description="Bytes that the clients download, in all rounds, one model each.")
    parameters: int = Field(description="The trained numbers of the network.")


class PlanCheck(Body):
    """What `POST /v1/runs` would say of a plan."""

    valid: bool = Field(description="Whether a run of it would be created.")
    errors: list[FieldProblem] = Field(description="Each wrong field, twenty at most; none if it is valid.")
    plan: Plan | None = Field(description="The plan with defaults filled in; null if a field is wrong.")
    cost: PlanCost | None = Field(description="What a run of it costs about; null if a field is wrong.")


class DeadLetterList(Body):
    """Messages between services that a worker has dropped, the newest first."""

    letters: list[DeadLetter] = Field(description="The letters.")


class Garbage(Body):
    """The artifacts of one page of the store that nothing names."""

    keys: list[str] = Field(description="The keys of the artifacts.")
    removed: bool = Field(description="Whether they were removed; false if they were only listed.")
    looked_at: int = Field(description="How many artifacts the page has.")
    next: str | None = Field(description="The key after which the next page begins; null after the last page.")


class Problem(Body):
    """An error, in the form of RFC 9457."""

    type: str = Field(
        default=NO_TYPE,
        description=f"Which error it is, for programs: `{PROBLEM_TYPES}` and a name, a heading of docs/problems.md.",
    )
    title: str = Field(description="Which error it is, for people. Equal types have equal titles.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong this time, where, and what would be right.")
    errors: list[FieldProblem] = Field(default_factory=list, description="Each wrong field, twenty at most.")


class Health(Body):
    """Liveness or readiness. ``checks`` gives the answer of each dependency."""

    status: Literal["ok", "unavailable"] = Field(description="Whether all is well.")
    checks: dict[str, str] = Field(default_factory=dict, description="Dependency → `ok`, or why it cannot be used.")


def problem_type(title: str) -> str:
    """The type of a problem with this title: ``urn:fedface:problem:wrong-phase`` for ``Wrong phase``."""
    return PROBLEM_TYPES + re.sub(r"[^a-z0-9]+", "-", title.lower())
