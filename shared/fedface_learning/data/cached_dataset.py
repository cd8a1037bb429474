"""A data set that keeps images in memory, for processes that use the images of an identity round after round."""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_learning.data.dataset import FaceDataset
from fedface_learning.device import HOST, moved

MAX_BYTES = 512 << 20
"""The default limit: 12 images of 5,000 people at 56×48 in colour, or a twentieth of CASIA-WebFace."""


class CachedDataset:
    """A `FaceDataset` that takes images from ``dataset`` and keeps up to ``max_bytes`` of them in the memory of ``device``.

    Images that do not fit are read again in each call. Nothing is evicted: eviction does not help a process that goes
    through all identities in turn.
    """

    def __init__(self, dataset: FaceDataset, max_bytes: int = MAX_BYTES, device: torch.device = HOST) -> None:
        """Start with an empty cache."""
        self._dataset = dataset
        self._device = device
        self._images: dict[str, Tensor] = {}
        self._bytes_left = max_bytes
        self.name = dataset.name
        self.identities = dataset.identities

    def images(self, identity: str) -> Tensor:
        """All images of an identity (N, C, H, W), uint8, which must not be written to. Those that do not fit are on the CPU.

        `DataError` if the data set has no such identity, or an image cannot be used.
        """
        cached_NCHW = self._images.get(identity)
        if cached_NCHW is not None:
            return cached_NCHW
        images_NCHW = self._dataset.images(identity)
        if images_NCHW.nbytes <= self._bytes_left:
            images_NCHW = moved(images_NCHW, self._device)
            self._images[identity] = images_NCHW
            self._bytes_left -= images_NCHW.nbytes
        return images_NCHW
