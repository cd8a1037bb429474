"""The cache of images, and its limit."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

from fedface_learning.data import CachedDataset


class CountingDataset:
    """A `FaceDataset` with 12 bytes of images for each identity, which counts how often each is read."""

    name = "counting"
    identities = ("ada", "bo", "cy")

    def __init__(self) -> None:
        self.read = Counter[str]()

    def images(self, identity: str) -> Tensor:
        self.read[identity] += 1
        return torch.full((3, 1, 2, 2), self.identities.index(identity), dtype=torch.uint8)


def test_each_identity_is_read_once() -> None:
    counting = CountingDataset()
    cached = CachedDataset(counting)
    assert (cached.name, cached.identities) == (counting.name, counting.identities)
    for _ in range(3):
        for identity in ("bo", "ada"):
            assert torch.equal(cached.images(identity), CountingDataset().images(identity))
    assert counting.read == {"bo": 1, "ada": 1}


def test_images_are_kept_on_the_device_as_far_as_it_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)  # needs a GPU
    cached = CachedDataset(CountingDataset(), max_bytes=24, device=torch.device("meta"))
    for _ in range(2):
        there = {identity: cached.images(identity).device.type for identity in CountingDataset.identities}
        assert there == {"ada": "meta", "bo": "meta", "cy": "cpu"}


def test_what_does_not_fit_is_read_again_each_time_and_evicts_nothing() -> None:
    counting = CountingDataset()
    cached = CachedDataset(counting, max_bytes=24)
    for _ in range(3):
        for identity in counting.identities:
            cached.images(identity)
    assert counting.read == {"ada": 1, "bo": 1, "cy": 3}
