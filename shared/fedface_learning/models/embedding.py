"""Embeddings and features of many images: a network is run over them in batches, without gradients.

Finite weights may still give features that are too large for float32, or not numbers. No figure may come of those, so
every function here that gives embeddings or raw features refuses them.

Suffixes of tensor names: N images, D dimensions, C channels, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.device_kinds import CPU
from fedface_core.domain.errors import InvalidInputError
from fedface_learning.models import EmbeddingNetwork

BATCH_SIZE = 32
GPU_BATCH_SIZE = 512


def suitable_batch_size(device: torch.device) -> int:
    """How many images to embed at once: many on a GPU, which else waits for the processor; a CPU gains nothing by it."""
    return BATCH_SIZE if device.type == CPU else GPU_BATCH_SIZE


def embed(network: EmbeddingNetwork, images_NCHW: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """The unit embeddings (N, D), float32, of images as `EmbeddingNetwork.pixels` takes them.

    The network is left in evaluation mode. `InvalidInputError` if a feature is not finite, as `unit_embeddings` says.
    """
    network.eval()
    with torch.no_grad():
        centred = [network.features(batch_NCHW) - network.centre for batch_NCHW in torch.split(images_NCHW, batch_size)]
        refuse_overflow(torch.cat(centred))  # once, since it waits for a GPU
        return torch.cat([normalize(centred_ND) for centred_ND in centred])


def raw_features(network: EmbeddingNetwork, images_NCHW: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """The features (N, D), float32, before centring and normalising, of images as `EmbeddingNetwork.pixels` takes them.

    The network is left in evaluation mode. `InvalidInputError` if a feature is not finite, as `refuse_overflow` says.
    """
    network.eval()
    with torch.no_grad():
        features_ND = torch.cat([network.features(batch_NCHW) for batch_NCHW in torch.split(images_NCHW, batch_size)])
    refuse_overflow(features_ND)
    return features_ND


def features_of_pixels(network: EmbeddingNetwork, pixels_NCHW: Tensor) -> Tensor:
    """The features (N, D), float32, before centring and normalising, of pixels as `EmbeddingNetwork.pixels` gives them.

    The network is left in evaluation mode. The features may not be finite: a client in training judges by its loss.
    """
    network.eval()
    with torch.no_grad():
        parts = torch.split(pixels_NCHW, suitable_batch_size(pixels_NCHW.device))
        return torch.cat([network.features_of_pixels(batch_NCHW) for batch_NCHW in parts])


def unit_embeddings(centred_ND: Tensor) -> Tensor:
    """Centred features (N, D) at unit length. A feature of length 0 has no direction and stays 0: its cosines are all 0.

    `InvalidInputError` if a feature is not finite, as `refuse_overflow` says.
    """
    refuse_overflow(centred_ND)
    return normalize(centred_ND)


def refuse_overflow(features_ND: Tensor) -> None:
    """`InvalidInputError` if a feature (N, D) has values that are not finite, or a length that float32 does not hold.

    Such a length would be infinite, and the embedding a zero that looks like a face with no direction.
    """
    finite_N = torch.linalg.vector_norm(features_ND, dim=1).isfinite()
    if not finite_N.all():
        raise InvalidInputError(
            f"the network's features of {int((~finite_N).sum())} of {len(finite_N)} images are not finite, or too large for "
            "float32: its weights are broken or its training diverged; start from other weights"
        )


def mean_feature(features_ND: Tensor) -> Tensor:
    """The mean of features (N, D) over the images, (D,), float32, on the CPU; the sum is taken in float64."""
    return features_ND.double().mean(dim=0).float().cpu()
