"""How a simulation splits its data set."""

from __future__ import annotations

from fedface_learning.data import split_identities
from fedface_learning.models import initial_network
from fedface_learning.simulation.simulation_data import SimulationData
from support.patterned_faces import PatternedFaces
from support.small_networks import small_plan


def test_clients_have_as_many_images_as_the_plan_says_and_nothing_is_scored_unasked() -> None:
    faces = PatternedFaces(8)
    plan = small_plan(data={"images_per_client": 2})
    data = SimulationData.of(plan, faces)
    assert data.split == split_identities(faces.identities, plan.split)
    assert list(data.images) == [f"client-{index:06d}" for index in range(6)]
    assert {len(images_NCHW) for images_NCHW in data.images.values()} == {2}
    assert data.score(0, initial_network(plan.model, 0)) is None
