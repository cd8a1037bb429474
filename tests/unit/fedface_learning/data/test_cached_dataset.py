"""A data set that remembers images, within a bound."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from fedface_learning.data import CachedDataset


class Counting:
    """A `FaceDataset` of 12 bytes an identity, which counts how often each is read."""

    name = "counting"
    identities = ("ada", "bo", "cy")

    def __init__(self) -> None:
        self.read = Counter[str]()

    def images(self, identity: str) -> Tensor:
        self.read[identity] += 1
        return torch.full((3, 1, 2, 2), self.identities.index(identity), dtype=torch.uint8)


def test_each_identity_is_read_once() -> None:
    counting = Counting()
    remembered = CachedDataset(counting)
    assert (remembered.name, remembered.identities) == (counting.name, counting.identities)
    for _ in range(3):
        for identity in ("bo", "ada"):
            assert torch.equal(remembered.images(identity), Counting().images(identity))
    assert counting.read == {"bo": 1, "ada": 1}


def test_what_does_not_fit_is_read_anew_each_time_and_pushes_nothing_out() -> None:
    counting = Counting()
    remembered = CachedDataset(counting, max_bytes=24)
    for _ in range(3):
        for identity in counting.identities:
            remembered.images(identity)
    assert counting.read == {"ada": 1, "bo": 1, "cy": 3}
