"""How a simulation splits its data set."""

from __future__ import annotations

from typing import get_args

from fedface_learning.data import ScoredPart, split_identities
from fedface_learning.evaluation.verification import evaluate
from fedface_learning.models import initial_network
from fedface_learning.simulation.simulation_data import SimulationData
from support.patterned_faces import PatternedFaces
from support.small_networks import small_plan


def test_models_are_scored_on_the_part_that_was_asked_for() -> None:
    plan = small_plan(split={"clients": 2, "test": 2, "validation": 3})
    faces = PatternedFaces(8)
    network = initial_network(plan.model, 0)
    split = split_identities(faces.identities, plan.split)
    for part in get_args(ScoredPart):
        found = SimulationData.of(plan, faces, lambda _number: True, part).score(0, network)
        assert found == evaluate(network, faces, split.scored(part), plan.far)


def test_clients_have_as_many_images_as_the_plan_says_and_nothing_is_scored_unasked() -> None:
    faces = PatternedFaces(8)
    plan = small_plan(data={"images_per_client": 2})
    data = SimulationData.of(plan, faces)
    assert data.split == split_identities(faces.identities, plan.split)
    assert list(data.images) == [f"client-{index:06d}" for index in range(6)]
    assert {len(images_NCHW) for images_NCHW in data.images.values()} == {2}
    assert data.score(0, initial_network(plan.model, 0)) is None
