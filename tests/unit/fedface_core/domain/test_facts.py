"""Facts are told apart by their kind."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from fedface_core.domain.facts import EvaluationSkipped, Fact, IdentitiesListed, ModelPrepared, RoundReady, StepFailed

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
    ],
    ids=lambda fact: fact.kind,
)
def test_a_fact_is_read_back_by_its_kind(fact: Fact) -> None:
    assert FACT.validate_json(fact.model_dump_json()) == fact


@pytest.mark.parametrize(("kind", "fields"), [("surprise", {}), ("round_ready", {"round": -1, "because": "quorum"})])
def test_an_unknown_kind_and_wrong_fields_are_refused(kind: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FACT.validate_python({"kind": kind, "run_id": RUN} | fields)
