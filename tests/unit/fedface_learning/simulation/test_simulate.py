"""What a simulation refuses, and whom it tells of its rounds."""

from __future__ import annotations

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.simulation.simulate import SimulatedRound, simulate
from support.patterned_faces import PatternedFaces
from support.small_networks import small_plan


def test_an_asynchronous_plan_cannot_be_simulated() -> None:
    with pytest.raises(InvalidInputError, match="nothing asynchronous to simulate"):
        simulate(small_plan(aggregation={"mode": "asynchronous"}, cohort={"quorum": 3}))


def test_each_round_is_reported_once_and_only_the_chosen_ones_are_evaluated() -> None:
    reported: list[SimulatedRound] = []
    plan = small_plan(rounds=2, far=[0.1], local_training={"steps": 1})
    result = simulate(plan, reported.append, dataset=PatternedFaces(8), evaluate_at=lambda number: number == 2)
    assert tuple(reported) == result.rounds
    assert [done.number for done in reported] == [0, 1, 2]
    assert [done.verification is None for done in reported] == [True, True, False]
    assert result.model_sha256 == reported[-1].aggregation.model_sha256
