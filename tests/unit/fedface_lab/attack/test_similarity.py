"""SSIM by its definition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fedface_lab.attack.similarity import structural_similarity
from fedface_learning.seeding import generator


def noise(seed: int) -> Tensor:
    return torch.randint(0, 256, (3, 20, 16), dtype=torch.uint8, generator=generator(seed, "test"))


def flat(shade: int) -> Tensor:
    return torch.full((1, 12, 12), shade, dtype=torch.uint8)


def test_an_image_is_like_itself_and_like_nothing_random() -> None:
    assert structural_similarity(noise(0), noise(0)) == pytest.approx(1)
    assert abs(structural_similarity(noise(0), noise(1))) < 0.1
    assert structural_similarity(noise(0), noise(1)) == pytest.approx(structural_similarity(noise(1), noise(0)))


def test_of_flat_images_only_the_shades_count() -> None:
    """By the formula: variances and covariance are 0, so (2·100·150 + C₁) / (100² + 150² + C₁) with C₁ = (0.01·255)²."""
    assert structural_similarity(flat(100), flat(150)) == pytest.approx((30_000 + 6.5025) / (32_500 + 6.5025))


def test_a_negative_is_less_alike_than_noise_in_it() -> None:
    image = noise(2)
    assert structural_similarity(image, 255 - image) < -0.5
