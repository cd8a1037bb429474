"""Batches are cut from permutations."""

from __future__ import annotations

import torch

from fedface_learning.data.drawn_batches import drawn_batches
from fedface_learning.seeding import generator


def test_every_image_is_drawn_before_any_is_drawn_again() -> None:
    batches = list(drawn_batches(7, 3, 14, generator("some batches")))
    assert {len(batch_n) for batch_n in batches} == {3}
    drawn_n = torch.cat(batches)
    for first in range(0, 42, 7):
        assert sorted(drawn_n[first : first + 7].tolist()) == list(range(7))


def test_no_steps_draw_nothing() -> None:
    assert list(drawn_batches(7, 3, 0, generator("some batches"))) == []
