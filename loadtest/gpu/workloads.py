"""What is trained on a GPU: noise for photographs, so that nothing is read or rendered. Arithmetic takes equally long.

C clients, N images each, C×H×W pixels, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_learning.client.local_training import Trainee
from loadtest.bench.reference_workload import REFERENCE_NETWORK, reference_plan

WIDE_NETWORK: Final[dict[str, Any]] = {"architecture": "spherenet-4"}
"""The published shape: 12.6 million parameters, 112×96 pixels in colour."""
TINY_NETWORK: Final[dict[str, Any]] = REFERENCE_NETWORK | {"height": 16, "width": 16, "widths": [2, 4, 4, 4]}
_TINY_IRESNET: Final[dict[str, Any]] = TINY_NETWORK | {"architecture": "iresnet-50", "widths": [8, 8, 8, 8]}
IMAGES: Final = 10


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    network: dict[str, Any]
    clients: int
    at_once: int
    wide: dict[str, Any]
    wide_clients: int
    wide_at_once: int
    pretrained: tuple[dict[str, Any], ...]
    """The networks that are pre-trained. The goal is for the first."""
    batch: int
    pretrain_steps: int

    @classmethod
    def full(cls) -> Self:
        """The reference round, wide networks, and SphereNet-64 and iresnet-50 on batches of 512."""
        pretrained = ({"architecture": "spherenet-64"}, {"architecture": "iresnet-50"})
        return cls(REFERENCE_NETWORK, 200, 200, WIDE_NETWORK, 20, 20, pretrained, 512, 6)

    @classmethod
    def tiny(cls) -> Self:
        """So little that a CPU takes seconds: it shows that the command works, and no speed."""
        return cls(TINY_NETWORK, 6, 3, TINY_NETWORK, 2, 2, (TINY_NETWORK, _TINY_IRESNET), 16, 2)


def plan_for(network: dict[str, Any], clients: int, at_once: int, device: str, precision: str = "float32") -> Plan:
    """The reference plan with this network, so many clients at once, device and precision."""
    changes = {
        "model": dict.fromkeys(REFERENCE_NETWORK) | network,  # None takes what is not the network's own out of the plan
        "compute": {"device": device, "precision": precision},
        "local_training": {"vectorised_clients": at_once},
        "cohort": {"shard_size": clients},
        "initialisation": "random",
    }
    return apply_merge_patch(reference_plan(clients, 1), changes)


class Noise:
    """A `FaceDataset` whose photographs are noise."""

    name = "noise"

    def __init__(self, plan: Plan, identities: int) -> None:
        self.identities = tuple(f"person-{index:05d}" for index in range(identities))
        shape = (identities * IMAGES, plan.model.channels, plan.model.height, plan.model.width)
        self._all = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(plan.seed))

    def images(self, identity: str) -> Tensor:
        """The ten images of an identity (10, C, H, W), uint8."""
        first = IMAGES * self.identities.index(identity)
        return self._all[first : first + IMAGES]


def trainees_of(plan: Plan) -> list[Trainee]:
    """The plan's clients, with noise for their photographs and class embeddings."""
    clients = plan.split.clients
    faces = Noise(plan, clients)
    draws = torch.Generator().manual_seed(plan.seed + 1)
    rows_CD = normalize(torch.randn(clients, plan.model.embedding_size, generator=draws), dim=1)
    return [
        Trainee(client_id(index), faces.images(identity), rows_CD[index], place=index)
        for index, identity in enumerate(faces.identities)
    ]
