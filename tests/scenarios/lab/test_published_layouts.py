"""The weights of every layout that is known are found as what they are, with a prefix and what else a file may hold."""

from __future__ import annotations

import torch

from fedface_lab.model.find_layout import Wanted, find_layout
from fedface_lab.model.tensor_set import TensorSet
from fedface_learning.models.layouts import LAYOUTS


def test_each_layout_is_told_from_all_others() -> None:
    for layout in LAYOUTS:
        shapes = dict(layout.shapes) | dict.fromkeys(layout.unused, (1,))
        tensors = {f"module.{name}": torch.empty(shape, device="meta") for name, shape in shapes.items()}
        fit = find_layout([TensorSet("", tensors)], LAYOUTS, Wanted())
        assert (fit.layout.name, fit.prefix) == (layout.name, "module.")
        assert fit.used == list(layout.shapes)
