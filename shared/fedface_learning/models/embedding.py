"""Embeddings and features of many images: a network is run over them in batches, without gradients.

Suffixes of tensor names: N images, D dimensions, C channels, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_learning.models import EmbeddingNetwork

BATCH_SIZE = 32


def embed(network: EmbeddingNetwork, images_NCHW: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """The unit embeddings (N, D), float32, of images as `EmbeddingNetwork.pixels` takes them.

    The network is left in evaluation mode.
    """
    network.eval()
    with torch.no_grad():
        return torch.cat([network(batch_NCHW) for batch_NCHW in torch.split(images_NCHW, batch_size)])


def raw_features(network: EmbeddingNetwork, images_NCHW: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """The features (N, D), float32, before centring and normalising, of images as `EmbeddingNetwork.pixels` takes them.

    The network is left in evaluation mode.
    """
    network.eval()
    with torch.no_grad():
        return torch.cat([network.features(batch_NCHW) for batch_NCHW in torch.split(images_NCHW, batch_size)])


def features_of_pixels(network: EmbeddingNetwork, pixels_NCHW: Tensor) -> Tensor:
    """The features (N, D), float32, before centring and normalising, of pixels as `EmbeddingNetwork.pixels` gives them.

    The network is left in evaluation mode.
    """
    network.eval()
    with torch.no_grad():
        return torch.cat([network.features_of_pixels(batch_NCHW) for batch_NCHW in torch.split(pixels_NCHW, BATCH_SIZE)])


def mean_feature(features_ND: Tensor) -> Tensor:
    """The mean of features (N, D) over the images, (D,), float32; the sum is taken in float64."""
    return features_ND.double().mean(dim=0).float()
