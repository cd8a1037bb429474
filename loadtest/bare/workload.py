"""The work of a round: images, initial weights, class embeddings, and the numbers of the algorithm.

C clients, N images each, D dimensions. It is written to a safetensors file, which every system of `fedface bench peers`
reads, each in its own environment.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import safetensors
from safetensors.torch import load_file, save_file
from torch import Tensor

_MODEL: Final = "model/"


@dataclass(frozen=True)
class NetworkShape:
    """An embedding network: its architecture, spherenet-4 or mobilefacenet, and its sizes."""

    architecture: str
    channels: int
    height: int
    width: int
    widths: tuple[int, ...]
    """Channels of each stage."""
    embedding_size: int


@dataclass(frozen=True)
class LocalTraining:
    """What a client does: so many steps of SGD on all its images, minimising ``mean_i max(0, margin − w·f(x_i))²``."""

    steps: int
    learning_rate: float
    momentum: float
    margin: float


@dataclass(frozen=True)
class Spreadout:
    """What the server does at the end of a round: steps on ``weight · Σ max(0, w_c·w_c' − margin)²``, for each client c."""

    steps: int
    learning_rate: float
    weight: float
    margin: float


@dataclass(frozen=True)
class Workload:
    """What a round starts from. Every client takes part in every round, and all have equally many images."""

    network: NetworkShape
    local: LocalTraining
    spreadout: Spreadout
    images_CNCHW: Tensor
    """uint8: client, image, channel, row, column."""
    class_embeddings_CD: Tensor
    """W after enrolment and its spreadout."""
    initial: dict[str, Tensor]
    """The global model's parameters and buffers."""
    plan: str
    """The plan that all of this was made by, in JSON: only FedFace reads it."""


def write_workload(workload: Workload, path: Path) -> None:
    """Write the file that every system reads."""
    tensors = {f"{_MODEL}{name}": tensor.contiguous() for name, tensor in workload.initial.items()}
    tensors |= {"images": workload.images_CNCHW, "class_embeddings": workload.class_embeddings_CD}
    told = {
        "network": json.dumps(asdict(workload.network)),
        "local": json.dumps(asdict(workload.local)),
        "spreadout": json.dumps(asdict(workload.spreadout)),
        "plan": workload.plan,
    }
    save_file(tensors, path, metadata=told)


def read_workload(path: Path) -> Workload:
    """Read a file of `write_workload`."""
    with safetensors.safe_open(path, framework="pt") as file:
        told = file.metadata()
    tensors = load_file(path)
    network = json.loads(told["network"])
    return Workload(
        network=NetworkShape(**network | {"widths": tuple(network["widths"])}),
        local=LocalTraining(**json.loads(told["local"])),
        spreadout=Spreadout(**json.loads(told["spreadout"])),
        images_CNCHW=tensors.pop("images"),
        class_embeddings_CD=tensors.pop("class_embeddings"),
        initial={name.removeprefix(_MODEL): tensor for name, tensor in tensors.items()},
        plan=told["plan"],
    )
