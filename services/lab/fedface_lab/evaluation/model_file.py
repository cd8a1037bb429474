"""A model file that a person names: read within bounds, with what it says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedface_core.domain.errors import DamagedObjectError, InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_core.files.bounded_file import read_bytes
from fedface_core.files.safetensors_header import MAX_MODEL_BYTES, check_safetensors, metadata_of
from fedface_learning.formats.codec import decode_metadata
from fedface_learning.formats.safetensors_layout import METADATA_KEY
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.description import description_in
from fedface_learning.models.weights import load_network, network_tensors


@dataclass(frozen=True)
class ModelFile:
    """The bytes of a model file."""

    path: Path
    data: bytes
    described_plan: ModelPlan | None
    """The network that the file says it is; None if it does not say."""


def open_model_file(path: Path) -> ModelFile:
    """Read a model file. `InvalidInputError` if it cannot be read, is of another kind, or is damaged."""
    data = read_bytes(path, MAX_MODEL_BYTES)
    check_safetensors(data, str(path))
    try:
        metadata = decode_metadata(metadata_of(data).get(METADATA_KEY, "{}"))
    except DamagedObjectError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    description = description_in(metadata, str(path))
    return ModelFile(path, data, description.model if description is not None else None)


def network_in(model: ModelFile, plan: ModelPlan) -> EmbeddingNetwork:
    """The plan's network with the weights of the model file.

    `InvalidInputError` if they are not the plan's network, or have values that are not finite.
    """
    network = load_network(plan, model.data, str(model.path))
    broken = [name for name, tensor in network_tensors(network).items() if not tensor.isfinite().all()]
    if broken:
        raise InvalidInputError(f"{model.path} has values that are not finite, in {broken[0]}: its training diverged")
    return network
