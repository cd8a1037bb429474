"""Makes a model of published weights: reads them, finds their layout, converts them, and looks whether the network works."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_core.files.file_kind import FileKind
from fedface_lab.model.find_layout import Fit, Wanted, find_layout
from fedface_lab.model.weight_file import read_weights
from fedface_learning.data import ImageSize, open_dataset
from fedface_learning.models import EmbeddingNetwork, build_network
from fedface_learning.models.description import ModelDescription
from fedface_learning.models.embedding import raw_features
from fedface_learning.models.layouts.layout import InputConvention, Layout
from fedface_learning.models.weights import encode_described_network, load_tensors

_SAME = 1e-5
"""Two faces whose features differ by less, relative to their length, are one to a network. Rounding differs by 1e-6."""


@dataclass(frozen=True)
class ImportedModel:
    """A model of FedFace, and what it was made from."""

    data: bytes
    """Of its file: safetensors, with a description of the network."""
    kind: FileKind
    fit: Fit
    convention: InputConvention


def make_model(path: Path, wanted: Wanted, layouts: Sequence[Layout]) -> ImportedModel:
    """The model that the published weights in the file ``path`` make.

    `InvalidInputError` if the file is of a wrong kind or damaged, if its tensors are those of no known layout, or if the
    network's features of two faces are not finite or do not differ.
    """
    weights = read_weights(path)
    try:
        fit = find_layout(weights.sets, layouts, wanted)
    except InvalidInputError as error:
        remark = f" ({weights.remark})" if weights.remark else ""
        raise InvalidInputError(f"{path} is {weights.kind}; {error}{remark}") from None
    layout = fit.layout
    convention = fit.input(wanted)
    tensors = {name: fit.tensors.tensors[fit.prefix + name].to(torch.float32) for name in fit.used}
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise InvalidInputError(f"{path} has values that are not finite, in {broken[0]}")
    network = build_network(layout.plan)
    load_tensors(network, layout.convert(tensors, convention), str(path))
    check_features(network, str(path))
    description = ModelDescription(
        model=layout.plan,
        layout=layout.name,
        source=path.name,
        source_sha256=_sha256(path),
        channel_order=convention.channel_order,
        pixel_mean=convention.pixel_mean,
        pixel_scale=convention.pixel_scale,
    )
    return ImportedModel(encode_described_network(network, description), weights.kind, fit, convention)


def check_features(network: EmbeddingNetwork, source: str) -> None:
    """Raise `InvalidInputError` unless the network's features of two rendered faces are finite, and differ.

    The message calls the network ``source``.
    """
    faces = open_dataset(DataPlan(dataset="synthetic"), ImageSize.of(network.plan), 2)
    images_NCHW = torch.cat([faces.images(identity)[:1] for identity in faces.identities])
    try:
        first_D, second_D = raw_features(network, images_NCHW)
    except InvalidInputError as error:
        raise InvalidInputError(f"{source}: {error}") from None
    if (first_D - second_D).norm() <= _SAME * first_D.norm():
        raise InvalidInputError(
            f"{source} gives two faces the same features: the weights are damaged, or of no trained network"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
