"""The work that every system does, written once to a file: images, initial weights, class embeddings, and the plan.

C clients, N images each, D dimensions. The peers' environments read the file too: it is safetensors, and the plan is JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.formats.codec import decode_tensors, encode_tensors
from fedface_learning.models import build_network

_MODEL: Final = "model/"


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
