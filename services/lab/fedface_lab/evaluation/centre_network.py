"""Gives a network the centre that round 0 of a plan would give it, so that its scores are those of a run's first model.

In a run with `model.centring` a network subtracts the mean feature of its clients, which round 0 measures. The model files
of such a run hold this centre. Published weights and the output of `fedface pretrain` do not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.client.enrolment import enrol, mean_embedding
from fedface_learning.data import FaceDataset, open_photographs, split_identities
from fedface_learning.models import EmbeddingNetwork

NOT_CENTRED = (
    "the network is not centred, and a run's is: a run subtracts the mean feature of its clients, which only a plan names; "
    "so cosines and figures differ from a run's"
)


def centre_network(network: EmbeddingNetwork, plan: Plan | None) -> list[str]:
    """Set the network's centre from the photographs of the plan's clients, if its plan asks for centring and it has none.

    Test people are not used. Returns notes for the reader of the figures: whether the network was centred, and how.
    """
    if not network.plan.centring or network.centre.any():
        return []
    if plan is None:
        return [NOT_CENTRED]
    network.centre.copy_(centre_of_clients(network, plan, open_photographs(plan)))
    return [f"centred by the plan's {plan.split.clients:,} clients, as its round 0 is"]


def centre_of_clients(network: EmbeddingNetwork, plan: Plan, dataset: FaceDataset) -> Tensor:
    """The mean feature (D,) of the photographs of the plan's clients, as enrolment with `model.centring` gives it."""
    means = []
    images = []
    for identity in split_identities(dataset.identities, plan.split).clients:
        images_NCHW = dataset.images(identity)[: plan.data.images_per_client]
        means.append(mean_embedding(network, images_NCHW, centring=True))
        images.append(len(images_NCHW))
    return enrol(torch.stack(means), torch.tensor(images), centring=True).centre_D
