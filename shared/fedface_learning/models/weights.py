"""The weights of a network as tensors and as bytes; they are loaded into a network only if all of them fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError, InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_core.files.safetensors_header import check_safetensors
from fedface_learning.device import on_host
from fedface_learning.formats.codec import decode_tensors, encode_tensors, encoded_parts
from fedface_learning.models import EmbeddingNetwork, build_network
from fedface_learning.models.description import ModelDescription, description_in

_MAX_NAMED: Final = 5  # A message names so many misfits of each kind.


def network_tensors(network: EmbeddingNetwork) -> dict[str, Tensor]:
    """The network's parameters and buffers by name, detached, contiguous and on the CPU. They may share its memory."""
    return {name: tensor.detach().contiguous() for name, tensor in on_host(network.state_dict()).items()}


def encode_network(network: EmbeddingNetwork) -> bytes:
    """The network's parameters and buffers as safetensors bytes, whose SHA-256 is the name of the model version."""
    return encode_tensors(network_tensors(network))


def encode_in_place(network: EmbeddingNetwork) -> list[bytes | memoryview]:
    """The bytes of `encode_network` in parts that are the network's own memory, so that there is no second model.

    For this each tensor's values are brought into the order of the bytes, where they are. So this is the end of the network:
    it would compute other bits from now on, and a change of it would change the parts.
    """
    for parameter in network.parameters():
        if not parameter.is_contiguous():  # a kernel that is channels-last, and dense
            in_order = parameter.data.contiguous()
            parameter.data = parameter.data.as_strided(in_order.shape, in_order.stride()).copy_(in_order)
    return encoded_parts(network_tensors(network))


def encode_described_network(network: EmbeddingNetwork, description: ModelDescription) -> bytes:
    """As `encode_network`, with a description, by which `fedface evaluate` knows the network.

    The SHA-256 differs from that of the same weights without one.
    """
    return encode_tensors(network_tensors(network), description.metadata())


def load_tensors(network: EmbeddingNetwork, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy ``tensors`` into the network's own memory, all or none.

    `InvalidInputError` if names, shapes or dtypes differ from the network's, which then stays as it was. The message calls
    the weights ``source``, the name by which its reader knows them.
    """
    _check_fit(network, tensors, source)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            tensor.copy_(tensors[name])


def _check_fit(network: EmbeddingNetwork, tensors: Mapping[str, Tensor], source: str) -> None:
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
        raise InvalidInputError(f"{source} does not fit {network.plan.architecture} as planned. {misfits_in_words(misfits)}")


def load_network(plan: ModelPlan, data: bytes, source: str) -> EmbeddingNetwork:
    """The plan's network with the weights in ``data``, the bytes of a safetensors file.

    `InvalidInputError` if the file is of another kind or damaged, says that it is another network, or has tensors that do
    not fit; the message calls the file ``source``.
    """
    check_safetensors(data, source)
    try:
        tensors, metadata = decode_tensors(data)
    except DamagedObjectError as error:
        raise InvalidInputError(f"{source}: {error}") from None
    description = description_in(metadata, source)
    if description is not None:
        description.check_network(plan, source)
        with torch.device("meta"):  # a stranger's file may describe a network larger than this machine's memory
            _check_fit(build_network(plan), tensors, source)
    network = build_network(plan)
    load_tensors(network, tensors, source)
    return network


def misfits_in_words(misfits: Mapping[str, Sequence[str]]) -> str:
    """The names of tensors that do not fit, by kind (such as ``missing``): how many there are, and the first few."""
    return "Tensors " + "; ".join(_describe(kind, found) for kind, found in misfits.items() if found)


def _describe(kind: str, found: Sequence[str]) -> str:
    more = f", and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
    return f"{kind} ({len(found)}): {', '.join(found[:_MAX_NAMED])}{more}"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
