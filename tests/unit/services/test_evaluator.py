"""The evaluator's report, its gauges, and what it does where it cannot score."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EvaluateModel
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.results import VerificationReport
from fedface_core.domain.run import RunPhase
from fedface_core.runtime.metrics import NEWEST_RUNS
from fedface_evaluator.verification_metrics import VerificationMetrics
from fedface_learning.data import ImageSize, open_dataset, split_identities
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces


def test_each_round_has_a_report_with_its_roc_curve(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run = services.run()
    for expected in simulate(services.plan).rounds:
        report = VerificationReport.model_validate_json(
            services.ports.artifacts.get(object_keys.report(run.id, expected.number))
        )
        assert (report.run_id, report.round) == (run.id, expected.number)
        assert report.model_sha256 == expected.aggregation.model_sha256
        assert expected.verification is not None
        assert report.scores == expected.verification.scores
        assert report.roc == expected.verification.roc


def test_a_model_evaluated_twice_is_scored_once(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    evaluate = EvaluateModel(run_id=run_id, round=0)
    services.until(run_id, lambda run: evaluate in services.publisher.commands)
    services.deliver(evaluate, "first")
    effects = len(services.lifeline.effects)
    services.deliver(evaluate, "second")
    assert services.lifeline.effects[effects:] == ["publish HandleFact"]
    services.to_end(run_id)
    effects = len(services.lifeline.effects)
    services.deliver(evaluate, "after the end")
    assert services.lifeline.effects[effects:] == []


def test_test_identities_that_cannot_be_read_end_the_run(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "faces")
    plan = tiny_plan(folder)
    dataset = open_dataset(plan.data, ImageSize.of(plan.model), plan.split.identities)
    identity = split_identities(dataset.identities, plan.split).test[0]
    (folder / identity / "1.png").write_bytes(b"")
    services = InProcess(plan)
    run = services.run()
    assert run.phase is RunPhase.FAILED
    assert run.failure is not None
    assert run.failure.startswith("round 0: the test identities cannot be scored: ")
    assert f"{identity}/1.png" in run.failure


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
