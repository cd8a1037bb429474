"""The demo's plans take the sizes that are asked for, within the data set's."""

from __future__ import annotations

import pytest

from fedface_core.domain.budget import DEFAULT_BUDGET, require_within
from fedface_core.domain.errors import InvalidInputError
from fedface_lab import presets


def test_orl_has_twenty_people_for_clients() -> None:
    plan = presets.orl(clients=20, rounds=2, seed=3)
    require_within(plan, DEFAULT_BUDGET)
    assert (plan.split.clients, plan.split.test, plan.rounds) == (20, 20, 2)
    assert (plan.seed, plan.split.seed) == (3, 3)
    with pytest.raises(InvalidInputError, match="--clients 21: at most 20, for ORL has 40 people and 20 are for the test"):
        presets.orl(clients=21)


def test_the_centre_is_measured_on_the_clients_and_nothing_is_trained() -> None:
    plan = presets.orl(clients=5, rounds=2, seed=3)
    centre = presets.orl_centre(plan)
    assert (centre.split, centre.data, centre.seed) == (plan.split, plan.data, plan.seed)
    assert (centre.model.centring, plan.model.centring) == (True, False)
    assert (centre.rounds, centre.local_training.steps) == (1, 0)


def test_synthetic_faces_are_drawn_by_the_seed() -> None:
    plan = presets.synthetic(seed=3)
    require_within(plan, DEFAULT_BUDGET)
    assert (plan.split.clients, plan.rounds, plan.model.weights) == (24, 4, "random")
    assert (plan.seed, plan.split.seed, plan.data.seed) == (3, 3, 3)
