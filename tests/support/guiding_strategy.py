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


def _repelled(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """FedFace's loss, and the cosine with each of the public identities' embeddings."""
    cosines_NP = normalize(features_ND - client_round.network.centre) @ client_round.guidance["public_PD"].T
    return hinge(client_round, features_ND) + cosines_NP.clamp(min=0).square().mean()


def _mean_direction(_client_round: ClientRound, features_ND: Tensor) -> Tensors:
    return {"mean": normalize(features_ND.mean(dim=0), dim=0)}


def _guide(server_round: ServerRound) -> ServerResult:
    """One step on the public identities' photographs; their embeddings for the clients; a sum of what clients uploaded."""
    plan = server_round.plan
    network = server_round.network
    faces = server_round.photographs()
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
        seen_D = server_round.state.get("seen", torch.zeros(plan.model.embedding_size)).clone()
        for client in sorted(server_round.uploaded):
            seen_D += server_round.uploaded[client]["mean"]
    return replace(spread_out(server_round), state={"seen": seen_D}, guidance={"public_PD": public_PD})


def _shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    return {"mean": (plan.model.embedding_size,)}


GUIDING = replace(FEDFACE, loss=_repelled, uploads=_mean_direction, upload_shapes=_shapes, finish=_guide)
