"""The centre of a network that no run has enrolled yet, and what to say of it.

A plan with `model.centring` subtracts its clients' mean feature, which round 0 measures. A model file of a run has it; the
published weights, and those of `fedface pretrain`, do not.
"""

from __future__ import annotations

import torch

from fedface_core.domain.plan import Plan
from fedface_learning.client.enrolment import enrol, mean_embedding
from fedface_learning.data import open_photographs, split_identities
from fedface_learning.models import EmbeddingNetwork

NOT_CENTRED = (
    "the network is not centred, and a run's is: it subtracts the mean feature of its clients first, who are named by a "
    "plan; cosines and figures differ"
)


def centre_on_clients(network: EmbeddingNetwork, plan: Plan | None) -> list[str]:
    """Give the network the centre that round 0 of the plan gives it, where centring is asked for and it has none yet.

    Test people have no part in it. Returns the sentences that a reader of the figures needs.
    """
    if not network.plan.centring or network.centre.any():
        return []
    if plan is None:
        return [NOT_CENTRED]
    dataset = open_photographs(plan)
    clients = split_identities(dataset.identities, plan.split).clients
    means, images = [], []
    for identity in clients:
        images_NCHW = dataset.images(identity)[: plan.data.images_per_client]
        means.append(mean_embedding(network, images_NCHW, centring=True))
        images.append(len(images_NCHW))
    network.centre.copy_(enrol(torch.stack(means), torch.tensor(images), centring=True).centre_D)
    return [f"centred by the plan's {len(clients):,} clients, as its round 0 is"]
