"""An aggregated round: the command that it publishes."""

from __future__ import annotations

from fedface_control.phases.evaluating import commands, evaluation_ended, work_queue
from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import CONTROL, EVALUATOR
from fedface_core.domain.commands import (
    EvaluateModel,
    HandleFact,
)
from fedface_core.domain.facts import EvaluationSkipped, RoundEvaluated
from fedface_core.domain.round import RoundPhase
from support.api_by_hand import scores_of
from support.control_rounds import MODEL, NOW, PLAN, RUN, Control, a_round, a_tally, an_aggregation


def test_an_aggregated_round_asks_for_the_evaluation() -> None:
    assert commands(PLAN, a_round(RoundPhase.EVALUATING), a_tally()) == [EvaluateModel(run_id=RUN, round=1)]


def test_an_aggregated_round_that_is_not_to_be_scored_asks_control_to_finish_it() -> None:
    skipping = a_round(RoundPhase.EVALUATING).skipping_evaluation()
    skipped = HandleFact(run_id=RUN, fact=EvaluationSkipped(run_id=RUN, round=1))
    assert commands(PLAN, skipping, a_tally()) == [skipped]


def test_a_skipped_evaluation_is_work_for_control() -> None:
    evaluating = a_round(RoundPhase.EVALUATING)
    assert work_queue(PLAN, evaluating) == EVALUATOR
    assert work_queue(PLAN, evaluating.skipping_evaluation()) == CONTROL


def test_only_scores_of_the_rounds_own_model_version_finish_it() -> None:
    control = Control.empty()
    control.open()
    control.accept(0)
    closed = control.ledger.load_round(RUN, 0).closed(NOW)
    control.ledger.save(control.ledger.load(RUN), "round_closed", changed=closed)
    run = control.ledger.save(control.ledger.load(RUN), "round_aggregated", changed=closed.aggregated(an_aggregation()))
    other = RoundEvaluated(run_id=RUN, round=0, model_sha256="e" * 64, scores=scores_of(0))
    assert evaluation_ended(control.ports, run, other) is None
    assert evaluation_ended(control.ports, run, EvaluationSkipped(run_id=RUN, round=0)) is None, "nobody skips it"
    finished = evaluation_ended(control.ports, run, other.model_copy(update={"model_sha256": MODEL}))
    assert finished is not None
    assert (finished.base_round, finished.model_sha256) == (0, MODEL)
    assert control.ledger.load_round(RUN, 0).scores == scores_of(0)
    assert control.artifacts.keys("") == [object_keys.manifest(RUN, 0)]
