"""A real control API over ports in memory, on a free port, and a run that the test moves on by hand."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import structlog
from prometheus_client import CollectorRegistry
from safetensors.numpy import save

from fedface_control.api.app import create_app
from fedface_control.facts import handle_fact
from fedface_control.operate.run import create_run, start_run
from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.contracts import object_keys
from fedface_core.domain.facts import (
    IdentitiesListed,
    ModelPrepared,
    RoundAggregated,
    RoundEvaluated,
    RoundReady,
    StepFailed,
)
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, CosineCounts, RocCurve, Scores, VerificationReport
from fedface_core.domain.update import AcceptedUpdate, accepted_digest
from fedface_core.ports import Ports
from support.lost_ledger import lose_run
from support.open_sign_in import open_sign_in
from support.served_app import served

MODEL = save({"weight": np.zeros(2, np.float32)})
MODEL_SHA256 = hashlib.sha256(MODEL).hexdigest()

PLAN = Plan.model_validate({"name": "by hand", "split": {"clients": 3, "test": 5}, "cohort": {"minimum": 1}, "rounds": 2})


@dataclass(frozen=True)
class ByHand:
    """The API's address, and what a test does in place of the workers."""

    url: str
    ports: Ports

    def created(self) -> str:
        return create_run(self.ports, PLAN).id

    def started(self) -> str:
        return self.started_of(PLAN)

    def started_of(self, plan: Plan) -> str:
        run_id = create_run(self.ports, plan).id
        start_run(self.ports, run_id)
        self.ports.artifacts.put(object_keys.claim(MODEL_SHA256, run_id), b"")
        self.ports.artifacts.put(object_keys.model(MODEL_SHA256), MODEL)
        handle_fact(self.ports, ModelPrepared(run_id=run_id, model_sha256=MODEL_SHA256))
        correlation_id = self.ports.ledger.load(run_id).correlation_id
        listed = IdentitiesListed(run_id=run_id, correlation_id=correlation_id, identity_list_sha256="2" * 64)
        handle_fact(self.ports, listed)
        return run_id

    def clear(self) -> None:
        """Remove all runs and objects, whatever a test has left: the next one finds the API as it was at first."""
        artifacts = self.ports.artifacts
        artifacts.delete_all(artifacts.keys(""))
        for run in self.ports.ledger.runs():
            lose_run(self.ports.ledger, run.id)

    def accept(self, run_id: str, number: int, clients: int) -> None:
        ledger = self.ports.ledger
        for client in ledger.load_round(run_id, number).cohort[:clients]:
            ledger.accept(run_id, number, client, AcceptedUpdate(sha256="0" * 64, size=1, images=10))

    def finish_round(self, run_id: str, number: int) -> None:
        ledger = self.ports.ledger
        self.accept(run_id, number, PLAN.split.clients)
        handle_fact(self.ports, RoundReady(run_id=run_id, round=number, because="settled"))
        digest = accepted_digest(ledger.accepted(run_id, number))
        aggregated = RoundAggregated(run_id=run_id, round=number, accepted_digest=digest, aggregation=_aggregation())
        handle_fact(self.ports, aggregated)
        scores = scores_of(number)
        roc = RocCurve(far=[0.0, 0.001, 0.01, 0.1, 1.0], tar=[0.0, 0.4, 0.6, 0.8 + number / 100, 1.0])
        report = VerificationReport(
            run_id=run_id,
            round=number,
            model_sha256=MODEL_SHA256,
            scores=scores,
            roc=roc,
            thresholds={"1e-1": 0.2, "1e-2": 0.35, "1e-3": 0.5, "1e-4": None},
            cosines=cosines_of(number),
        )
        self.ports.artifacts.put(object_keys.report(run_id, number), report.model_dump_json().encode())
        handle_fact(self.ports, RoundEvaluated(run_id=run_id, round=number, model_sha256=MODEL_SHA256, scores=scores))

    def completed(self) -> str:
        run_id = self.started()
        for number in range(PLAN.rounds + 1):
            self.finish_round(run_id, number)
        return run_id

    def failed(self) -> str:
        run_id = self.started()
        handle_fact(self.ports, StepFailed(run_id=run_id, round=0, reason="the photographs are gone"))
        return run_id


def scores_of(number: int) -> Scores:
    return Scores(
        tar={"1e-1": min(0.8 + number / 100, 1.0), "1e-2": 0.6, "1e-3": 0.4, "1e-4": None},
        auc=min(0.9 + number / 100, 1.0),
        eer=max(0.1 - number / 100, 0.0),
        genuine_pairs=900,
        impostor_pairs=19000,
        mean_genuine_cosine=0.7,
        mean_impostor_cosine=0.1 - number / 1000,
    )


def cosines_of(number: int) -> CosineCounts:
    """As many pairs as `scores_of` says: around a cosine of 0.7 and, a little lower in each round, of 0.1."""
    heights = [1, 4, 6, 4, 1]
    genuine = [0] * 200
    impostor = [0] * 200
    for place, height in enumerate(heights):
        genuine[168 + place] = 900 * height // 16
        impostor[108 + place - number] = 19000 * height // 16
    genuine[170] += 900 - sum(genuine)
    impostor[110 - number] += 19000 - sum(impostor)
    return CosineCounts(genuine=genuine, impostor=impostor)


def _aggregation() -> Aggregation:
    return Aggregation(
        model_sha256=MODEL_SHA256,
        class_embeddings_sha256="1" * 64,
        folded=3,
        images=30,
        uploaded_bytes=3_600_000,
        refused={},
        update_norm=0.1,
        loss_before=0.2,
        loss_after=0.1,
        spreadout_loss=0.0,
        mean_off_diagonal_cosine=0.1,
        max_off_diagonal_cosine=0.2,
    )


@pytest.fixture(scope="session")
def served_api() -> Iterator[ByHand]:
    clock = SystemClock()
    ports = Ports(ledger=MemoryLedger(clock), artifacts=MemoryArtifacts(), publisher=RecordingPublisher(), clock=clock)
    with served(create_app(ports, CollectorRegistry(), open_sign_in())) as url:
        yield ByHand(url, ports)


@pytest.fixture
def api(served_api: ByHand, monkeypatch: pytest.MonkeyPatch) -> Iterator[ByHand]:
    monkeypatch.setenv("FEDFACE_API_URL", served_api.url)
    # The API runs in this process, and its log would stand among what the command prints.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield served_api
    structlog.reset_defaults()
    served_api.clear()
