"""Reads the images of many identities one after another, decoded by several processes if that is worth their start.

N images, C channels, H×W pixels.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from fedface_learning.data.dataset import FaceDataset
from fedface_learning.data.photographs import PhotographDataset
from fedface_learning.processes import in_order, worth_starting

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def images_in_order(dataset: FaceDataset, identities: Sequence[str], workers: int = 1) -> Generator[Pixels, None, None]:
    """The images (N, C, H, W) of each identity, uint8, by up to so many ``workers``: processes, or with 1 this process.

    Those of a few identities are in memory at a time. `DataError` if an image cannot be used.
    """
    processes = worth_starting(workers, len(identities))
    if isinstance(dataset, PhotographDataset):
        # A process gets the paths of one person at a time: those of a million photographs take hundreds of megabytes.
        return in_order(_images_of, map(dataset.only, identities), processes)
    return in_order(_Reader(dataset), identities, processes)


def _images_of(one: PhotographDataset) -> Pixels:
    """All images of a data set of one identity."""
    [identity] = one.identities
    return _Reader(one)(identity)


@dataclass(frozen=True)
class _Reader:
    """Reads the images of an identity. They are an array, since a tensor would go between processes by a file of its own."""

    dataset: FaceDataset

    def __call__(self, identity: str) -> Pixels:
        return self.dataset.images(identity).cpu().numpy()
