"""A data set whose images are read, or rendered, once: for processes that look at the same people round after round."""

from __future__ import annotations

from torch import Tensor

from fedface_learning.data.dataset import FaceDataset

MAX_BYTES = 512 << 20
"""12 images of 5,000 people at 56×48 in colour, and a twentieth of CASIA-WebFace."""


class CachedDataset:
    """A `FaceDataset` that keeps the images of the identities first asked for, up to ``max_bytes`` in all.

    Those beyond are read anew each time. To forget older ones for them would help nobody who goes through all in turn.
    """

    def __init__(self, dataset: FaceDataset, max_bytes: int = MAX_BYTES) -> None:
        self._dataset = dataset
        self._images: dict[str, Tensor] = {}
        self._bytes_left = max_bytes
        self.name, self.identities = dataset.name, dataset.identities

    def images(self, identity: str) -> Tensor:
        """As the data set's own; not to be written to."""
        known = self._images.get(identity)
        if known is not None:
            return known
        images_NCHW = self._dataset.images(identity)
        if images_NCHW.nbytes <= self._bytes_left:
            self._images[identity] = images_NCHW
            self._bytes_left -= images_NCHW.nbytes
        return images_NCHW
