"""Running a network over images without gradients. N images of C×H×W, D dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_learning.models import EmbeddingNetwork

BATCH_SIZE = 32


def embed(network: EmbeddingNetwork, images_NCHW: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """Unit embeddings (N, D) of uint8 images. Leaves the network in evaluation mode."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(batch_NCHW) for batch_NCHW in torch.split(images_NCHW, batch_size)])


def raw_features(network: EmbeddingNetwork, images_NCHW: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """Features (N, D) before centring and normalising. Leaves the network in evaluation mode."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network.features(batch_NCHW) for batch_NCHW in torch.split(images_NCHW, batch_size)])


def features_of_pixels(network: EmbeddingNetwork, pixels_NCHW: Tensor) -> Tensor:
    """`raw_features` of images that are normalised already."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network.features_of_pixels(batch_NCHW) for batch_NCHW in torch.split(pixels_NCHW, BATCH_SIZE)])


def mean_feature(features_ND: Tensor) -> Tensor:
    """The mean over images (D,), float32, summed in float64."""
    return features_ND.double().mean(dim=0).float()
