"""The plan of every size trains every client, and with few identities to evaluate."""

from __future__ import annotations

import pytest

from fedface_learning.models import initial_network
from loadtest.peers.sizes import Size, plan_of


@pytest.mark.parametrize(
    ("size", "clients", "images", "parameters"),
    [(Size.SPHERENET, 200, 10, 294_128), (Size.MOBILEFACENET, 50, 3, 1_002_880), (Size.TINY, 6, 3, 2_060)],
)
def test_a_size_is_what_the_readme_says(size: Size, clients: int, images: int, parameters: int) -> None:
    plan = plan_of(size)
    assert (plan.split.clients, plan.data.images_per_identity) == (clients, images)
    assert (plan.split.test, plan.rounds, plan.local_training.losses) == (2, 1, "seen")
    network = initial_network(plan.model, 0)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
