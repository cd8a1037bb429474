"""Error feedback: a client goes on from the residual of its newest update that is in the model."""

from __future__ import annotations

from datetime import UTC, datetime

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.residuals import residuals_after
from fedface_core.domain.round import RoundState, open_round
from support.round_results import AGGREGATION

COHORT = tuple(client_id(index) for index in range(7))


def ended_round(number: int, residuals: dict[str, int], refused: dict[str, str]) -> RoundState:
    plan = Plan.model_validate({"split": {"clients": 7}})
    now = datetime(2026, 1, 1, tzinfo=UTC)
    opened = open_round(plan, "run-0123456789ab", number, COHORT, "c" * 64, now, residuals=residuals)
    return opened.model_copy(update={"aggregation": AGGREGATION.model_copy(update={"refused": refused})})


def test_residuals_are_those_of_the_newest_updates_in_the_model() -> None:
    known = {client_id(0): 1, client_id(1): 2, client_id(2): 2}
    third = ended_round(3, known, refused={client_id(1): "not_finite"})
    accepted = [client_id(3), client_id(1), client_id(0)]
    assert residuals_after(third, accepted) == {client_id(0): 3, client_id(1): 2, client_id(2): 2, client_id(3): 3}
    assert residuals_after(third, []) == known


def test_enrolment_leaves_no_residuals_of_an_encoding() -> None:
    assert residuals_after(ended_round(0, {}, refused={}), COHORT) == {}


def test_enrolment_leaves_class_embeddings_that_clients_keep() -> None:
    enrolled = ended_round(0, {}, refused={client_id(1): "not_finite"})
    expected = {client: 0 for client in COHORT if client != client_id(1)}
    assert residuals_after(enrolled, COHORT, of_enrolment=True) == expected
