"""The work that every system does, written once to a file: images, initial weights, class embeddings, and the plan.

C clients, N images each, D dimensions. The peers' environments read the file too: it is safetensors, and the plan is JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.learning.class_embeddings import decode_class_embeddings
from fedface_core.learning.codec import decode_tensors, encode_tensors
from fedface_core.learning.data import open_photographs, split_identities
from fedface_core.learning.federated_rounds import enrol_everyone, round_zero
from fedface_core.learning.gathered import Gathered
from fedface_core.learning.models import build_network, initial_network
from fedface_core.learning.weights import network_tensors

_MODEL: Final = "model/"
_TEST = 2  # identities, the fewest there may be: the evaluation is part of our rounds, and the peers have none

SIZES: Final[dict[str, dict[str, Any]]] = {
    "spherenet": {
        "model": {
            "architecture": "spherenet-4",
            "height": 56,
            "width": 48,
            "channels": 1,
            "embedding_size": 128,
            "widths": [16, 32, 64, 128],
        },
        "data": {"dataset": "synthetic", "images_per_identity": 10},
        "split": {"clients": 200, "test": _TEST},
        "local_training": {"steps": 5, "learning_rate": 0.05},
    },
    "mobilefacenet": {
        "model": {"architecture": "mobilefacenet"},
        "data": {"dataset": "synthetic", "images_per_identity": 3},
        "split": {"clients": 50, "test": _TEST},
        # BatchNorm over three images of one face amplifies rounding: at a higher rate equal work would not look equal.
        "local_training": {"steps": 2, "learning_rate": 0.002},
    },
    # For the tests, and to see whether all systems start: a round takes no time.
    "tiny": {
        "model": {
            "architecture": "spherenet-4",
            "height": 28,
            "width": 24,
            "channels": 1,
            "embedding_size": 16,
            "widths": [4, 8, 8, 8],
        },
        "data": {"dataset": "synthetic", "images_per_identity": 3},
        "split": {"clients": 6, "test": _TEST},
        "local_training": {"steps": 2, "learning_rate": 0.05},
    },
}


@dataclass(frozen=True)
class Workload:
    """What a round starts from."""

    plan: Plan
    """Its ``rounds`` are 1; whoever runs it asks for more with `for_rounds`."""
    images_CNCHW: Tensor
    """uint8: client, image, channel, row, column."""
    class_embeddings_CD: Tensor
    """W after enrolment and its spreadout."""
    initial: dict[str, Tensor]
    """The global model's parameters and buffers."""

    @property
    def parameters(self) -> int:
        """How many numbers the network learns."""
        return sum(parameter.numel() for parameter in build_network(self.plan.model).parameters())

    def for_rounds(self, rounds: int) -> Plan:
        """The plan with so many training rounds."""
        return self.plan.model_copy(update={"rounds": rounds})


def one_thread() -> None:
    """The arithmetic of every system: one torch thread to a process, and denormal numbers flushed, as our workers have it.

    Denormals slow a nearly converged network down many times, and no system is to be slower for want of a setting.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def make_workload(size: str) -> Workload:
    """Render the images and enrol the clients, as a run of the plan does."""
    plan = Plan.model_validate(
        SIZES[size]
        | {
            "name": f"peers: {size}",
            "rounds": 1,
            "cohort": {"deadline_seconds": 3600.0},
        }
    )
    dataset = open_photographs(plan)
    split = split_identities(dataset.identities, plan.split)
    images = {client_id(index): dataset.images(identity) for index, identity in enumerate(split.clients)}
    network = initial_network(plan.model, plan.seed)
    enrolled = enrol_everyone(images, round_zero(plan, network, Gathered(dataset, split, images, lambda _number: False)))
    return Workload(
        plan,
        torch.stack([*images.values()]),
        decode_class_embeddings(enrolled.class_embeddings, plan.model.embedding_size),
        network_tensors(network),
    )


def write_workload(workload: Workload, path: Path) -> None:
    """Write the file that every system reads."""
    tensors = {f"{_MODEL}{name}": tensor for name, tensor in workload.initial.items()}
    tensors |= {"images": workload.images_CNCHW, "class_embeddings": workload.class_embeddings_CD}
    path.write_bytes(encode_tensors(tensors, workload.plan.model_dump(mode="json")))


def read_workload(path: Path) -> Workload:
    """The inverse of `write_workload`."""
    tensors, plan = decode_tensors(path.read_bytes())
    images_CNCHW, class_embeddings_CD = tensors.pop("images"), tensors.pop("class_embeddings")
    initial = {name.removeprefix(_MODEL): tensor for name, tensor in tensors.items()}
    return Workload(Plan.model_validate(plan), images_CNCHW, class_embeddings_CD, initial)
