"""Faces for the smallest networks, made in no time: a pattern of grey patches for each person, with noise."""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_learning.seeding import generator


class PatternedFaces:
    """A `FaceDataset`: each identity is a fixed pattern of 4×4 grey patches, and each of its images adds noise."""

    name = "patterned"

    def __init__(self, identities: int, images: int = 6) -> None:
        self.identities = tuple(f"person-{index}" for index in range(identities))
        self._images = images

    def images(self, identity: str) -> Tensor:
        """The images of a person, uint8 (N, 1, 32, 32); the same ones each time."""
        draws = generator("tiny faces", identity)
        pattern = torch.rand(1, 1, 4, 4, generator=draws).repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
        noise = torch.randn(self._images, 1, 32, 32, generator=draws)
        return (128 + 100 * (pattern - 0.5) + 25 * noise).clamp(0, 255).to(torch.uint8)
