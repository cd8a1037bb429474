"""The layout of a shard's flat sum."""

from __future__ import annotations

import torch

from fedface_learning.formats.flat_sum import sum_positions


def test_floating_point_tensors_lie_one_after_the_other_by_name() -> None:
    model = {
        "b": torch.zeros(2, 3),
        "counter": torch.tensor(7),
        "c": torch.zeros(()),
        "a": torch.zeros(4, dtype=torch.float64),
        "d": torch.zeros(0),
        "e": torch.zeros(5),
    }
    assert list(sum_positions(model).items()) == [("a", 0), ("b", 4), ("c", 10), ("d", 11), ("e", 11)]
