"""A network's weights as tensors and as bytes, and into a network only where every one of them fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError, InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.formats.codec import decode_tensors, encode_tensors
from fedface_learning.models import EmbeddingNetwork, build_network

_NAMED: Final = 5  # How many misfits of each kind a message names.


def network_tensors(network: EmbeddingNetwork) -> dict[str, Tensor]:
    """Parameters and buffers by name, detached and contiguous. They may share the network's memory."""
    return {name: tensor.detach().contiguous() for name, tensor in network.state_dict().items()}


def encode_network(network: EmbeddingNetwork) -> bytes:
    """The network as safetensors bytes; their SHA-256 is the model version's name."""
    return encode_tensors(network_tensors(network))


def load_tensors(network: EmbeddingNetwork, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy ``tensors`` into the network's own memory.

    All or nothing: where names, shapes or dtypes differ from the network's, `InvalidInputError` says so for ``source``
    (what the person who reads it calls these weights), and the network is unchanged.
    """
    own = network.state_dict()
    common = [name for name in own if name in tensors]
    misfits = {
        "missing": [name for name in own if name not in tensors],
        "unexpected": [name for name in tensors if name not in own],
        "of the wrong shape": [
            f"{name}: {tuple(tensors[name].shape)}, must be {tuple(own[name].shape)}"
            for name in common
            if tensors[name].shape != own[name].shape
        ],
        "of the wrong dtype": [
            f"{name}: {_dtype(tensors[name])}, must be {_dtype(own[name])}"
            for name in common
            if tensors[name].dtype != own[name].dtype
        ],
    }
    if any(misfits.values()):
        kinds = "; ".join(_described(kind, found) for kind, found in misfits.items() if found)
        raise InvalidInputError(f"{source} does not fit {network.plan.architecture} as planned. Tensors {kinds}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def load_network(plan: ModelPlan, data: bytes, source: str) -> EmbeddingNetwork:
    """The plan's network with the weights of a safetensors file.

    `InvalidInputError`, naming ``source``, where the file is malformed or its tensors do not fit.
    """
    try:
        tensors, _ = decode_tensors(data)
    except DamagedObjectError as error:
        raise InvalidInputError(f"{source}: {error}") from None
    network = build_network(plan)
    load_tensors(network, tensors, source)
    return network


def _described(kind: str, found: Sequence[str]) -> str:
    more = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{kind} ({len(found)}): {', '.join(found[:_NAMED])}{more}"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
