"""A strategy that uses every hook there is, so that the tests see each of them on both paths."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_learning.data import split_identities
from fedface_learning.strategies import ClientRound, ServerResult, ServerRound, Tensors
from fedface_learning.strategies.fedface import FEDFACE, hinge, spread_out


def _repelled(at_hand: ClientRound, features_ND: Tensor) -> Tensor:
    """FedFace's loss, and the cosine with each of the public identities' embeddings."""
    cosines_NP = normalize(features_ND - at_hand.network.centre) @ at_hand.guidance["public_PD"].T
    return hinge(at_hand, features_ND) + cosines_NP.clamp(min=0).square().mean()


def _mean_direction(_at_hand: ClientRound, features_ND: Tensor) -> Tensors:
    return {"mean": normalize(features_ND.mean(dim=0), dim=0)}


def _guide(at_hand: ServerRound) -> ServerResult:
    """One step on the public identities' photographs; their embeddings for the clients; a sum of what clients uploaded."""
    plan, network, faces = at_hand.plan, at_hand.network, at_hand.photographs()
    public = [faces.images(identity) for identity in split_identities(faces.identities, plan.split).public]
    network.eval()
    loss = torch.stack([1 - network(images_NCHW).mean(dim=0).norm() for images_NCHW in public]).sum()
    network.zero_grad()
    torch.autograd.backward(loss)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.sub_(0.01 * parameter.grad)
        network.zero_grad()
        public_PD = torch.stack([normalize(network(images_NCHW).mean(dim=0), dim=0) for images_NCHW in public])
        seen_D = at_hand.state.get("seen", torch.zeros(plan.model.embedding_size)).clone()
        for client in sorted(at_hand.uploaded):
            seen_D += at_hand.uploaded[client]["mean"]
    return replace(spread_out(at_hand), state={"seen": seen_D}, guidance={"public_PD": public_PD})


def _shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    return {"mean": (plan.model.embedding_size,)}


GUIDING = replace(FEDFACE, loss=_repelled, uploads=_mean_direction, upload_shapes=_shapes, finish=_guide)
