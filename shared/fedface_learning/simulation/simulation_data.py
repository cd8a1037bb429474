"""The photographs of all clients in one process, which only a simulation has; the services never have them in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.data import CachedDataset, FaceDataset, IdentitySplit, ScoredPart, split_identities
from fedface_learning.device import HOST, copy_on, room_for_images
from fedface_learning.evaluation.verification import Verification, evaluate
from fedface_learning.models import EmbeddingNetwork

Rounds = Iterator[tuple[ReducedRound, Verification | None]]
"""The result of enrolment and of each training round, each with the verification of its model, or None if not asked for."""


@dataclass(frozen=True)
class _WithImagesOf:
    """A data set in which some identities have other images."""

    dataset: FaceDataset
    own: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        return self.dataset.name

    @property
    def identities(self) -> tuple[str, ...]:
        return self.dataset.identities

    def images(self, identity: str) -> Tensor:
        return self.own[identity] if identity in self.own else self.dataset.images(identity)


@dataclass(frozen=True)
class SimulationData:
    """The photographs of all identities, and which rounds are scored on which of them."""

    dataset: FaceDataset
    kept: FaceDataset
    """That data set once more; for a GPU it keeps there the images that it gives."""
    split: IdentitySplit
    images: Mapping[str, Tensor]
    """Client → its images (N, C, H, W), uint8, in client order."""
    far: tuple[float, ...]
    """The false accept rates (FAR) at which a model is scored."""
    evaluate_at: Callable[[int], bool]
    """Says by the number of a round whether its model is scored."""
    scored_part: ScoredPart
    """The part of the split on which models are scored."""
    device: torch.device = HOST
    """Where models are scored."""

    @classmethod
    def of(
        cls,
        plan: Plan,
        dataset: FaceDataset,
        evaluate_at: Callable[[int], bool] = lambda _number: False,
        scored_part: ScoredPart = "test",
    ) -> Self:
        """Split the data set as the plan says. No round is scored by default."""
        split = split_identities(dataset.identities, plan.split)
        clients = {client_id(index): identity for index, identity in enumerate(split.clients)}
        device = torch.device(plan.compute.device)
        # A GPU keeps them for all rounds, if it has room.
        kept = dataset if device.type == "cpu" else CachedDataset(dataset, room_for_images(device, 0), device)
        images = {client: kept.images(identity)[: plan.data.images_per_client] for client, identity in clients.items()}
        return cls(dataset, kept, split, images, plan.far, evaluate_at, scored_part, device)

    @property
    def shared_pool(self) -> FaceDataset:
        """The data set as its people would share it: clients with those images only that they may use."""
        own = {identity: self.images[client_id(index)] for index, identity in enumerate(self.split.clients)}
        return _WithImagesOf(self.dataset, own)

    def score(self, number: int, network: EmbeddingNetwork) -> Verification | None:
        """The verification of the network after round ``number``; None if it is not to be scored."""
        if not self.evaluate_at(number):
            return None
        computing = copy_on(network, self.device)
        return evaluate(computing, self.kept, self.split.scored(self.scored_part), self.far)
