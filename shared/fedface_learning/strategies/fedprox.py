"""FedProx (Li et al., *Federated Optimization in Heterogeneous Networks*, MLSys 2020), on FedFace."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fedface_core.domain.plan.strategy import FedProxPlan
from fedface_learning.strategies.fedface import FEDFACE, hinge
from fedface_learning.strategies.strategy import ClientRound


def proximal_hinge(at_hand: ClientRound, features_ND: Tensor) -> Tensor:
    """FedFace's loss plus ``μ/2 · ‖f − f_global‖²`` over all parameters."""
    assert isinstance(at_hand.plan.strategy, FedProxPlan)
    loss = hinge(at_hand, features_ND)
    proximal = at_hand.plan.strategy.proximal
    if not proximal:
        return loss
    moved = [
        (parameter - at_hand.global_model[name]).square().sum() for name, parameter in at_hand.network.named_parameters()
    ]
    return loss + proximal / 2 * torch.stack(moved).sum()


FEDPROX = replace(FEDFACE, loss=proximal_hinge)
