"""The verification gauges: the newest scores of the newest runs, and none while the ledger is away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fedface_core.domain.errors import DamagedObjectError, NotFoundError, UnavailableError
from fedface_core.ports import RoundSummary
from fedface_core.runtime.metrics import NEWEST_RUNS
from fedface_evaluator.verification_metrics import VerificationMetrics
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.tiny_run import tiny_plan


def test_the_gauges_show_the_newest_scores_of_the_newest_runs(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, far=[0.5, 1e-3], rounds=1))
    ended = services.run()
    for _ in range(NEWEST_RUNS - 1):
        services.clock.advance(1)
        services.start()  # not scored yet
    registry = CollectorRegistry()
    registry.register(VerificationMetrics(services.ports.ledger))
    of = {"run": ended.id, "protocol": "pairs"}
    verification = simulate(services.plan).rounds[-1].verification
    assert verification is not None
    scores = verification.scores
    assert registry.get_sample_value("fedface_verification_tar", of | {"far": "5e-1"}) == scores.tar["5e-1"]
    assert registry.get_sample_value("fedface_verification_tar", of | {"far": "1e-3"}) is None, "too few pairs for it"
    assert registry.get_sample_value("fedface_verification_auc", of) == scores.auc
    assert registry.get_sample_value("fedface_verification_eer", of) == scores.eer
    assert registry.get_sample_value("fedface_verification_round", of) == 1
    for pairs, cosine in (("genuine", scores.mean_genuine_cosine), ("impostor", scores.mean_impostor_cosine)):
        assert registry.get_sample_value("fedface_verification_cosine_mean", of | {"pairs": pairs}) == cosine

    services.clock.advance(1)
    services.start()  # one more than have gauges
    assert registry.get_sample_value("fedface_verification_auc", of) is None


def test_without_a_ledger_there_are_no_gauges(faces: Path) -> None:
    class Down:
        def runs(self, limit: int) -> None:
            raise UnavailableError("Redis does not answer")

    registry = CollectorRegistry()
    registry.register(VerificationMetrics(Down()))  # type: ignore[arg-type]
    assert list(registry.collect()) == []


def test_a_run_that_is_deleted_or_has_an_unreadable_round_hides_no_other(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    ended = services.run()
    services.clock.advance(1)
    deleted = services.start()
    unreadable = services.start()
    ledger = services.ports.ledger
    summaries = ledger.round_summaries

    def some(run_id: str, *page: int | None) -> Sequence[RoundSummary]:
        if run_id == deleted:
            raise NotFoundError(run_id)
        if run_id == unreadable:
            raise DamagedObjectError("a round of another version")
        return summaries(run_id, *page)

    monkeypatch.setattr(ledger, "round_summaries", some)
    registry = CollectorRegistry()
    registry.register(VerificationMetrics(ledger))
    of = {"run": ended.id, "protocol": "pairs"}
    assert registry.get_sample_value("fedface_verification_round", of) == 1
