"""An example of each answer, for the OpenAPI document. They are made of the bodies' own classes, so they are valid."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from fedface_core.contracts.http import (
    DeadLetterList,
    FieldProblem,
    Garbage,
    Health,
    ModelCard,
    ModelList,
    ModelVersion,
    PlanCheck,
    PlanCost,
    Problem,
    RestoredRuns,
    RoundList,
    RoundView,
    RunDetail,
    RunList,
    RunSummary,
    StoredModel,
    problem_type,
)
from fedface_core.contracts.sign_in import KeyList, KeyView, MadeKey, Me, WaysToSignIn
from fedface_core.domain.cost import plan_cost
from fedface_core.domain.dead_letter import DeadLetter
from fedface_core.domain.network_size import network_size
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, CosineCounts, RocCurve, Scores, VerificationReport
from fedface_core.domain.role import Role
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase, allowed_actions

_RUN: Final = "run-3f2a9c81d04e"
_MODEL: Final = "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab"
_BASE: Final = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
_EMBEDDINGS: Final = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"
_START: Final = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)
_PLAN: Final = Plan(name="orl")
_SCORES: Final = Scores(
    tar={"1e-1": 0.991, "1e-2": 0.962, "1e-3": 0.918, "1e-4": None},
    auc=0.9961,
    eer=0.0312,
    genuine_pairs=900,
    impostor_pairs=19_000,
    mean_genuine_cosine=0.71,
    mean_impostor_cosine=0.08,
)
_AGGREGATION: Final = Aggregation(
    model_sha256=_MODEL,
    class_embeddings_sha256=_EMBEDDINGS,
    folded=20,
    images=200,
    uploaded_bytes=446_000_000,
    refused={},
    update_norm=0.84,
    loss_before=0.031,
    loss_after=0.012,
    spreadout_loss=0.0,
    mean_off_diagonal_cosine=0.05,
    max_off_diagonal_cosine=0.29,
)
_PROGRESS: Final[dict[str, Any]] = {
    "id": _RUN,
    "name": _PLAN.name,
    "phase": RunPhase.RUNNING,
    "round": 3,
    "rounds": _PLAN.rounds,
    "finished_rounds": 2,
    "round_phase": RoundPhase.OPEN,
    "deadline_at": _START + timedelta(minutes=65),
    "seconds_left": 3413.5,
    "quorum": 20,
    "invited": 20,
    "accepted": 17,
    "unsettled": 3,
    "waiting_for": ["client-000004", "client-000011", "client-000018"],
    "scores": _SCORES,
    "model_sha256": _MODEL,
    "allowed": allowed_actions(RunPhase.RUNNING),
    "created_at": _START,
    "started_at": _START + timedelta(minutes=1),
}
_ROUND: Final = RoundView(
    number=2,
    phase=RoundPhase.FINISHED,
    invited=20,
    accepted=20,
    failed={},
    opened_at=_START + timedelta(minutes=3),
    deadline_at=_START + timedelta(minutes=63),
    closed_at=_START + timedelta(minutes=4),
    finished_at=_START + timedelta(minutes=5),
    base=1,
    model_sha256=_BASE,
    aggregation=_AGGREGATION,
    scores=_SCORES,
)
_MADE: Final = ModelVersion(
    sha256=_MODEL,
    source="round",
    run_id=_RUN,
    round=2,
    base_sha256=_BASE,
    made_at=_ROUND.finished_at,
    scores=_SCORES,
)
_KEY: Final[dict[str, Any]] = {
    "id": "5f1d8c2ab07e43d9",
    "name": "nightly",
    "roles": [Role.OPERATOR],
    "made_at": _START,
    "made_by": "key:first",
    "expires_at": _START + timedelta(days=90),
}
BODIES: Final[tuple[BaseModel, ...]] = (
    RunDetail(**_PROGRESS, plan=_PLAN),
    RunList(runs=[RunSummary(**_PROGRESS)]),
    RestoredRuns(runs=[RunSummary(**_PROGRESS)], refused={}),
    _ROUND,
    RoundList(rounds=[_ROUND]),
    VerificationReport(
        run_id=_RUN,
        round=2,
        model_sha256=_MODEL,
        scores=_SCORES,
        roc=RocCurve(far=[0.0, 0.001, 0.01, 0.1, 1.0], tar=[0.0, 0.918, 0.962, 0.991, 1.0]),
        thresholds={"1e-1": 0.214, "1e-2": 0.297, "1e-3": 0.363},
        cosines=CosineCounts(genuine=[0, 3, 97, 800], impostor=[240, 14_960, 3_790, 10]),
    ),
    StoredModel(sha256=_MODEL, size=22_300_000),
    ModelList(models=[_MADE, ModelVersion(sha256=_BASE, source="uploaded", made_at=_START)], next=None),
    ModelCard(
        sha256=_MODEL,
        size=22_300_000,
        uploaded=False,
        made_by=[_MADE],
        used_by=[_RUN],
        plan=_PLAN,
        parameters=network_size(_PLAN.model).parameters,
    ),
    PlanCheck(valid=True, errors=[], plan=_PLAN, cost=PlanCost(**asdict(plan_cost(_PLAN)))),
    Garbage(keys=[f"runs/{_RUN}/rounds/1/report.json"], removed=False, looked_at=1000, next=f"runs/{_RUN}/run.json"),
    DeadLetterList(
        letters=[
            DeadLetter(
                id="1795781040000-0",
                at=_START,
                queue="client",
                fault="not_json",
                reason="it is not JSON: JSONDecodeError",
                bytes=12,
                beginning="GET / HTTP/1",
            )
        ]
    ),
    KeyList(keys=[KeyView(**_KEY, last_used=_START.date())]),
    MadeKey(**_KEY, last_used=None, key="ff_5f1d8c2ab07e43d9_SECRET"),
    Me(actor="key:nightly", roles=[Role.OPERATOR, Role.VIEWER], sign_in=True),
    WaysToSignIn(open=False, issuer="https://id.example.org/realms/faces", client_id="cli", device_authorization=True),
    Health(status="ok", checks={"ledger": "ok", "artifact_store": "ok"}),
)
"""One example of each body that the API answers with."""

EVENTS: Final = (
    'id: 1767344520000-0\nevent: round_opened\ndata: {"at": "2026-01-02T09:02:00+00:00", "round": 1, "phase": "running"}\n\n'
)
METRICS: Final = '# TYPE fedface_runs gauge\nfedface_runs{phase="running"} 1.0\n'

_FIELD: Final = FieldProblem(field="cohort.quorum", message="Input should be greater than 0")
_PROBLEMS: Final = (
    ("Bad Request", 400, "POST /v1/runs: There was an error parsing the body"),
    ("Not signed in", 401, "sign in: send Authorization: Bearer, with an API key or an access token"),
    ("Not allowed", 403, "this takes the role operator; key:night-watch has viewer"),
    ("Not found", 404, f"there is no run {_RUN}"),
    ("Artifact missing", 404, f"there is no artifact runs/{_RUN}/rounds/2/report.json"),
    ("Wrong phase", 409, f"cannot start: {_RUN} is preparing, which allows pause, pause now, cancel"),
    ("Content Too Large", 413, "the body of this request has more than 2,097,152 bytes"),
    ("Unsupported media type", 415, "the body is declared as 'text/plain'; send Content-Type: application/json"),
    ("Misdirected request", 421, "this API is not 'faces.example.org'; FEDFACE_API_HOSTS says by which names it is reached"),
    ("Invalid input", 422, f"{_FIELD.field}: {_FIELD.message}"),
    ("Too many requests", 429, "key:nightly has sent 1200 requests in a minute; try again in 5 seconds"),
    (
        "Unavailable",
        503,
        "Redis at redis:6379 does not answer (Error 111 connecting to redis:6379. Connection refused.); check that it runs "
        "and that FEDFACE_REDIS_URL names its host and port, with rediss:// if it speaks TLS",
    ),
    ("Busy", 503, "the API serves 100 event streams already; try again in 5 seconds"),
)


def examples() -> dict[str, Any]:
    """The value of each example: of a body by the name of its class, of a problem by its title without spaces."""
    named: dict[str, Any] = {type(body).__name__: body.model_dump(mode="json") for body in BODIES}
    for title, status, detail in _PROBLEMS:
        wrong = [_FIELD] if title == "Invalid input" else []
        shown = Problem(type=problem_type(title), title=title, status=status, detail=detail, errors=wrong)
        named[problem_example(title)] = shown.model_dump()
    return named | {"Events": EVENTS, "Metrics": METRICS}


def problem_examples(status: int) -> list[str]:
    """The names of the examples of problems with this status."""
    return [problem_example(title) for title, of_status, _ in _PROBLEMS if of_status == status]


def problem_example(title: str) -> str:
    """The name of the example of the problem with this title."""
    return "Problem" + title.title().replace(" ", "")
