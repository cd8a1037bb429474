"""FedProx (Li et al., *Federated Optimization in Heterogeneous Networks*, MLSys 2020), on FedFace."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fedface_core.domain.plan.strategy import FedProxPlan
from fedface_learning.strategies.fedface import FEDFACE, hinge
from fedface_learning.strategies.strategy import ClientRound


def proximal_hinge(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """FedFace's loss of raw features (N, D), plus ``μ/2 · ‖f − f_global‖²`` over all parameters; a scalar."""
    assert isinstance(client_round.plan.strategy, FedProxPlan)
    loss = hinge(client_round, features_ND)
    proximal = client_round.plan.strategy.proximal
    if not proximal:
        return loss
    squared_changes = [
        (parameter - client_round.global_model[name]).square().sum()
        for name, parameter in client_round.network.named_parameters()
    ]
    return loss + proximal / 2 * torch.stack(squared_changes).sum()


FEDPROX = replace(FEDFACE, loss=proximal_hinge)
