"""Models agree if every float does; nothing else counts."""

from __future__ import annotations

import pytest
import torch

from loadtest.peers.agreement import ModelsDisagreeError, check_agreement, largest_difference

MODEL = {"weight": torch.tensor([1.0, 2.0]), "batches": torch.tensor(3)}


def test_differences_look_at_every_float_and_at_nothing_else() -> None:
    assert largest_difference({**MODEL, "batches": torch.tensor(7)}, MODEL) == 0.0
    assert largest_difference({**MODEL, "weight": torch.tensor([1.0, 2.5])}, MODEL) == 0.5
    for other in ({"weight": MODEL["weight"]}, {**MODEL, "weight": torch.ones(3)}):
        with pytest.raises(ModelsDisagreeError, match="inf"):
            check_agreement(other, MODEL, "a", "b")
    with pytest.raises(ModelsDisagreeError, match="nan"):
        check_agreement({**MODEL, "weight": torch.tensor([1.0, float("nan")])}, MODEL, "a", "b")
