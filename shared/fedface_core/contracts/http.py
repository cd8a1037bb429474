"""The bodies of the control API. The request body of ``POST /runs`` is a `Plan`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.failures import StepFailure
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, Scores
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase

PROBLEM_MEDIA_TYPE = "application/problem+json"
MODEL_SHA256_HEADER = "X-Model-SHA256"


class Body(BaseModel):
    """The base class of all bodies. They are frozen, and their numbers are finite: JSON has no others."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class RunSummary(Body):
    """A run and the progress of its current round."""

    id: str
    name: str
    phase: RunPhase
    round: int | None = Field(description="The current round's number; round 0 is enrolment.")
    rounds: int = Field(description="Training rounds in the plan.")
    finished_rounds: int = Field(default=0, description="Training rounds that have finished; abandoned ones do not count.")
    round_phase: RoundPhase | None = None
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
    failure: str | None = None
    stopped_because: str | None = Field(default=None, description="Which condition of the plan completed the run.")
    cloned_from: str | None = None
    owner: str | None = Field(default=None, description="The actor who created it; null where nobody had signed in.")
    allowed: list[str] = Field(
        default_factory=list, description="The actions that an operator may take on the run in its phase."
    )
    created_at: datetime
    started_at: datetime | None = None
    paused_at: datetime | None = None
    ended_at: datetime | None = None


class RunDetail(RunSummary):
    """A run with its plan, and what fails in it at present."""

    plan: Plan
    failing: list[StepFailure] = Field(
        default_factory=list, description="Steps that have failed and will be tried again, the newest failure first."
    )


class RunList(Body):
    """A list of runs, newest first."""

    runs: list[RunSummary]
    unreadable: dict[str, str] = Field(
        default_factory=dict, description="Run → why, of the runs whose records cannot be read. They can be deleted."
    )


class RestoredRuns(Body):
    """The result of a restoration: the runs that the ledger has again, and those that it could not get."""

    runs: list[RunSummary]
    refused: dict[str, str] = Field(description="Run → why it could not be restored.")


class RoundView(Body):
    """One round of a run."""

    number: int
    phase: RoundPhase
    invited: int
    accepted: int
    failed: dict[str, str] = Field(description="Client → reason.")
    late: int = Field(default=0, description="Clients whose update came too late.")
    opened_at: datetime
    deadline_at: datetime
    closed_at: datetime | None
    finished_at: datetime | None
    base: int | None = Field(default=None, description="The finished round whose results the cohort started from.")
    abandoned_because: str | None = None
    model_sha256: str = Field(description="The model version that the cohort started from.")
    aggregation: Aggregation | None
    scores: Scores | None


class RoundList(Body):
    """All rounds of a run, in order."""

    rounds: list[RoundView]
    unreadable: dict[int, str] = Field(
        default_factory=dict, description="Number → why, of the rounds whose records cannot be read."
    )


class StoredModel(Body):
    """A model that a user has uploaded."""

    sha256: str
    size: int = Field(description="Bytes.")


class Garbage(Body):
    """The artifacts of one page of the store that nothing names."""

    keys: list[str]
    removed: bool = Field(description="Whether they were removed; false if they were only listed.")
    looked_at: int = Field(description="How many artifacts the page has.")
    next: str | None = Field(description="The key after which the next page begins; null after the last page.")


class FieldProblem(Body):
    """One wrong field of a request."""

    field: str = Field(description="Dotted path in the body, such as `cohort.quorum`.")
    message: str


class Problem(Body):
    """An error, in the form of RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = Field(default_factory=list)


class Health(Body):
    """Liveness or readiness. ``checks`` gives the answer of each dependency."""

    status: str
    checks: dict[str, str] = Field(default_factory=dict)
