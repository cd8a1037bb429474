"""FedFace held near the network that it started from: near its parameters, or near its embeddings of public faces. Ours.

The initial network f_0 is good, and clients with positives only can spoil it. `TRUST_REGION` lets the next model go no
further than ``‖f − f_0‖ ≤ radius · ‖f_0‖``: what is outside that ball is projected onto it. `PUBLIC_ANCHOR` has the
aggregator take part in each round with steps that draw its embeddings of the public photographs back to those of f_0:
``mean_i 1 − f(x_i)·p_{k(i)}``, where p_k is the normalised mean embedding of public identity k by f_0.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fedface_core.domain.strategy_plan import PublicAnchorPlan, TrustRegionPlan
from fedface_core.learning.models import EmbeddingNetwork
from fedface_core.learning.strategies.fedface import FEDFACE, spread_out
from fedface_core.learning.strategies.public_steps import public_directions, take_public_steps
from fedface_core.learning.strategies.strategy import ServerResult, ServerRound, Tensors

ANCHORS = "anchors_KD"


def stay_in_the_ball(at_hand: ServerRound) -> ServerResult:
    """FedFace's W; the average, projected. The state is f_0's parameters, taken at enrolment."""
    assert isinstance(at_hand.plan.strategy, TrustRegionPlan)
    initial = at_hand.state
    if at_hand.number == 0:
        initial = {name: parameter.detach().clone() for name, parameter in at_hand.network.named_parameters()}
    else:
        project(at_hand.network, initial, at_hand.plan.strategy.radius)
    return replace(spread_out(at_hand), state=initial)


def project(network: EmbeddingNetwork, initial: Tensors, radius: float) -> None:
    """Scale the change ``f − f_0`` to the length ``radius · ‖f_0‖``, in place, where it is longer.

    Norms are over all parameters together, in float64. Buffers (BatchNorm's statistics, the centre) are left as averaged.
    """
    parameters = dict(network.named_parameters())
    changes = {name: parameter.detach().double() - initial[name].double() for name, parameter in parameters.items()}
    allowed, length = radius * _norm(initial), _norm(changes)
    if length <= allowed:
        return
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(initial[name].double() + allowed / length * changes[name])


def draw_back_to_anchors(before: ServerRound) -> int:
    """The aggregator's own update, towards f_0's embeddings of the public identities; on how many photographs."""
    assert isinstance(before.plan.strategy, PublicAnchorPlan)
    anchors_KD = before.state[ANCHORS]

    def loss(label: int, embeddings_ND: Tensor) -> Tensor:
        return (1 - embeddings_ND @ anchors_KD[label]).mean()

    return take_public_steps(before, before.plan.strategy.public_steps, loss)


def keep_anchors(at_hand: ServerRound) -> ServerResult:
    """FedFace's W; the average as it is. The state is the anchors (K, D), taken at enrolment."""
    anchors = {ANCHORS: public_directions(at_hand)} if at_hand.number == 0 else at_hand.state
    return replace(spread_out(at_hand), state=anchors)


def _norm(tensors: Tensors) -> float:
    return float(torch.stack([tensor.double().square().sum() for tensor in tensors.values()]).sum().sqrt())


TRUST_REGION = replace(FEDFACE, finish=stay_in_the_ball)
PUBLIC_ANCHOR = replace(FEDFACE, take_part=draw_back_to_anchors, finish=keep_anchors)
