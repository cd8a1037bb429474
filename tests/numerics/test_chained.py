"""FedFace as its authors' code runs it: clients one after the other, with the momentum of those before, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError

from fedface_core.domain.cohort import draw_cohort
from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_learning.data import FaceDataset
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from fedface_learning.objectives.losses import positive_squared_hinge
from fedface_learning.simulation.chained import chained_rounds
from fedface_learning.simulation.simulate import simulate
from fedface_learning.simulation.simulation_data import SimulationData


def test_a_client_goes_on_from_where_the_one_before_ended(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    local = {"steps": 2, "learning_rate": 0.05}
    plan = tiny_plan(strategy="chained", local_training=local, cohort={"size": 3}, rounds=2)
    data = SimulationData.of(plan, tiny_faces)
    enrolled, *rounds = (reduced for reduced, _ in chained_rounds(plan, initial_network(plan.model, 0), data))
    rows_CD = decode_class_embeddings(enrolled.class_embeddings, 16)
    network = initial_network(plan.model, 0)
    for number, reduced in enumerate(rounds, start=1):
        total = {name: torch.zeros_like(tensor, dtype=torch.float64) for name, tensor in network.state_dict().items()}
        optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        for client in draw_cohort(plan, number, tuple(data.images)):
            for _ in range(2):
                optimiser.zero_grad()
                loss = positive_squared_hinge(network(data.images[client]), rows_CD[client_index(client)], 0.9)
                torch.autograd.backward(loss)
                optimiser.step()
            total = {name: total[name] + tensor.double() for name, tensor in network.state_dict().items()}
        # All clients have six images, so each has the same weight.
        network.load_state_dict({name: (tensor / 3).float() for name, tensor in total.items()})
        for name, tensor in decode_tensors(b"".join(reduced.model))[0].items():
            torch.testing.assert_close(tensor, network.state_dict()[name], rtol=1e-5, atol=1e-6)
    assert {reduced.aggregation.class_embeddings_sha256 for reduced in rounds} == {
        enrolled.aggregation.class_embeddings_sha256
    }
    assert [(reduced.aggregation.folded, reduced.aggregation.images) for reduced in rounds] == [(3, 18), (3, 18)]


def test_it_is_not_fedface(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    chained = simulate(tiny_plan(strategy="chained"), dataset=tiny_faces).rounds
    fedavg = simulate(tiny_plan(strategy="fedavg"), dataset=tiny_faces).rounds
    assert chained[0] == fedavg[0]
    norms = [done[1].aggregation.update_norm or 0 for done in (chained, fedavg)]
    assert norms[0] > 2 * norms[1], "the steps of six clients add up"


def test_each_client_takes_a_step() -> None:
    with pytest.raises(ValidationError, match=r"local_training.steps is 0; with the strategy 'chained'"):
        Plan.model_validate({"strategy": "chained", "local_training": {"steps": 0}})
