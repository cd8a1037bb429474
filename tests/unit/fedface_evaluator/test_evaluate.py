"""The evaluator's report: one for each round, scored once, and no report if the test identities cannot be read."""

from __future__ import annotations

from pathlib import Path

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EvaluateModel
from fedface_core.domain.results import VerificationReport
from fedface_core.domain.run import RunPhase
from fedface_learning.data import ImageSize, open_dataset, split_identities
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces


def test_each_round_has_a_report_with_its_roc_curve_and_histograms(faces: Path) -> None:
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
        assert report.thresholds == expected.verification.thresholds
        assert report.cosines == expected.verification.cosines
        assert report.cosines is not None
        assert sum(report.cosines.genuine) == report.scores.genuine_pairs
        assert sum(report.cosines.impostor) == report.scores.impostor_pairs


def test_a_model_evaluated_twice_is_scored_once(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    evaluate = EvaluateModel(run_id=run_id, round=0)
    services.until(run_id, lambda run: evaluate in services.publisher.commands)
    correlation_id = services.ports.ledger.load(run_id).correlation_id
    services.deliver(evaluate, correlation_id)
    effects = len(services.effect_log.effects)
    services.deliver(evaluate, correlation_id)
    assert services.effect_log.effects[effects:] == ["publish HandleFact"]
    services.to_end(run_id)
    effects = len(services.effect_log.effects)
    services.deliver_now(evaluate)
    assert services.effect_log.effects[effects:] == []


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
    assert run.failure.endswith("(code photograph-unusable)")
    assert identity not in run.failure
