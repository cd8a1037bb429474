"""FedProx's further term."""

from __future__ import annotations

import pytest
import torch

from fedface_learning.models import initial_network
from fedface_learning.strategies import NOTHING, ClientRound
from fedface_learning.strategies.fedface import hinge
from fedface_learning.strategies.fedprox import proximal_hinge
from support.small_networks import small_plan


@pytest.mark.parametrize("proximal", [0.0, 0.5])
def test_the_term_is_half_of_mu_times_the_squared_distance_from_the_global_model(proximal: float) -> None:
    plan = small_plan(strategy={"name": "fedprox", "proximal": proximal})
    network = initial_network(plan.model, 0)
    global_model = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        network.centre.add_(1.0)  # a buffer, which the term leaves out
        for parameter in network.parameters():
            parameter.add_(0.1)
    client_round = ClientRound(plan, 1, network, torch.eye(4)[0], torch.eye(4)[0], global_model, NOTHING)
    features_ND = torch.eye(4)[:2]
    parameters = sum(parameter.numel() for parameter in network.parameters())
    with torch.no_grad():
        difference = float(proximal_hinge(client_round, features_ND) - hinge(client_round, features_ND))
    assert difference == pytest.approx(proximal / 2 * 0.01 * parameters, rel=1e-4)
