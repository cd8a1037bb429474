"""Facts are told apart by their kind."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from fedface_core.domain.facts import (
    EvaluationSkipped,
    Fact,
    IdentitiesListed,
    ModelPrepared,
    OwnedStep,
    RoundReady,
    StepFailed,
    StepFailing,
    Waiting,
)
from fedface_core.domain.reasons import LONGEST_REASON

RUN = "run-0123456789ab"
FACT: TypeAdapter[Fact] = TypeAdapter(Fact)


@pytest.mark.parametrize(
    "fact",
    [
        ModelPrepared(run_id=RUN, model_sha256="a" * 64),
        IdentitiesListed(run_id=RUN, correlation_id="abc", identity_list_sha256="b" * 64),
        RoundReady(run_id=RUN, round=0, because="settled"),
        EvaluationSkipped(run_id=RUN, round=2),
        StepFailed(run_id=RUN, round=None, reason="no disk"),
        StepFailed(run_id=RUN, step=OwnedStep.EVALUATE_MODEL, round=2, reason="no disk"),
        StepFailing(run_id=RUN, step="aggregator.fold_shard of shard 3", round=2, reason="no disk"),
        Waiting(run_id=RUN, service="client", reason="S3 does not answer"),
    ],
    ids=lambda fact: fact.kind,
)
def test_a_fact_is_read_back_by_its_kind(fact: Fact) -> None:
    assert FACT.validate_json(fact.model_dump_json()) == fact


@pytest.mark.parametrize(("kind", "fields"), [("surprise", {}), ("round_ready", {"round": -1, "because": "quorum"})])
def test_an_unknown_kind_and_wrong_fields_are_refused(kind: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FACT.validate_python({"kind": kind, "run_id": RUN} | fields)


@pytest.mark.parametrize(
    ("step", "number", "helps", "complaint"),
    [
        (OwnedStep.PREPARE_MODEL, 1, False, "round: aggregator.prepare_model is no step of a round"),
        (OwnedStep.LIST_IDENTITIES, 0, False, "round: client.list_identities is no step of a round"),
        (OwnedStep.FOLD_SHARD, None, True, "round: aggregator.fold_shard is a step of a round"),
        (OwnedStep.EVALUATE_MODEL, 1, True, "fresh_cohort_may_help: evaluator.evaluate_model does not depend on the cohort"),
    ],
)
def test_a_failed_step_is_of_the_run_or_of_a_round(step: OwnedStep, number: int | None, helps: bool, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        StepFailed(run_id=RUN, step=step, round=number, reason="no disk", fresh_cohort_may_help=helps)


def test_a_failed_step_of_an_earlier_version_is_read() -> None:
    """It said neither which step had failed, nor whose it was."""
    stored = f'{{"schema_version": 3, "run_id": "{RUN}", "kind": "step_failed", "round": 1, "reason": "no disk"}}'
    assert FACT.validate_json(stored) == StepFailed(run_id=RUN, step=None, round=1, reason="no disk")


@pytest.mark.parametrize(
    "step", ["", "sweep", "gateway.train", "client.", "client.train\n", "client.\x1b[2J", "client." + "a" * 91]
)
def test_a_failing_step_is_named_by_a_service(step: str) -> None:
    with pytest.raises(ValidationError):
        StepFailing(run_id=RUN, step=step, round=1, reason="no disk")


@pytest.mark.parametrize("note", [StepFailing, Waiting])
def test_the_reason_of_a_note_is_one_bounded_line(note: type[StepFailing] | type[Waiting]) -> None:
    noted = note.model_validate(
        {"run_id": RUN, "reason": "\x1b[2J" + "x\n" * 500}
        | ({"step": "client.train", "round": 1} if note is StepFailing else {"service": "client"})
    )
    assert len(noted.reason) == LONGEST_REASON
    assert noted.reason.isprintable()
    assert noted.service == "client"
