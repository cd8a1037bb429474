"""A workload: the images, the initial weights, the class embeddings and the settings of federated rounds.

C clients, N images each, D dimensions. `fedface bench peers` writes a workload to a safetensors file, which every system
reads in its own environment.
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
    """The channels of each stage."""
    embedding_size: int


@dataclass(frozen=True)
class LocalTraining:
    """Settings of a client: ``steps`` of SGD on all its images, which minimise ``mean_i max(0, margin − w·f(x_i))²``."""

    steps: int
    learning_rate: float
    momentum: float
    margin: float


@dataclass(frozen=True)
class Spreadout:
    """Settings of spreadout at the end of a round: steps on ``weight · Σ max(0, w_c·w_c' − margin)²`` for each client c."""

    steps: int
    learning_rate: float
    weight: float
    margin: float


@dataclass(frozen=True)
class Workload:
    """What the first round starts from. Every client takes part in every round, and all have equally many images."""

    network: NetworkShape
    local: LocalTraining
    spreadout: Spreadout
    images_CNCHW: Tensor
    """uint8: client, image, channel, row, column."""
    class_embeddings_CD: Tensor
    """float32: the unit class embeddings after enrolment and its spreadout."""
    initial: dict[str, Tensor]
    """Name → parameter or buffer of the first global model."""
    plan: str
    """The plan from which the workload was made, in JSON. Only FedFace reads it."""


def write_workload(workload: Workload, path: Path) -> None:
    """Write the workload to a safetensors file."""
    tensors = {f"{_MODEL}{name}": tensor.contiguous() for name, tensor in workload.initial.items()}
    tensors |= {"images": workload.images_CNCHW, "class_embeddings": workload.class_embeddings_CD}
    metadata = {
        "network": json.dumps(asdict(workload.network), allow_nan=False),
        "local": json.dumps(asdict(workload.local), allow_nan=False),
        "spreadout": json.dumps(asdict(workload.spreadout), allow_nan=False),
        "plan": workload.plan,
    }
    save_file(tensors, path, metadata=metadata)


def read_workload(path: Path) -> Workload:
    """Read a workload that `write_workload` has written."""
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    network = json.loads(metadata["network"])
    return Workload(
        network=NetworkShape(**network | {"widths": tuple(network["widths"])}),
        local=LocalTraining(**json.loads(metadata["local"])),
        spreadout=Spreadout(**json.loads(metadata["spreadout"])),
        images_CNCHW=tensors.pop("images"),
        class_embeddings_CD=tensors.pop("class_embeddings"),
        initial={name.removeprefix(_MODEL): tensor for name, tensor in tensors.items()},
        plan=metadata["plan"],
    )
