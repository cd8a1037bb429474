"""Numbers that each encoding of a change keeps exactly, rounds or drops."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.errors import UpdateRefusedError
from fedface_learning.updates.change_encodings import FLOAT16, INDICES, VALUES, ChangeEncoding, Float16, Int8, TopK

CHANGE_P = torch.tensor([0.0, 1.0, -127.0, 0.5, -0.25, 1e-12])


def test_half_precision_drops_what_is_too_small() -> None:
    assert Float16(6).encode(CHANGE_P)[FLOAT16].tolist() == [0.0, 1.0, -127.0, 0.5, -0.25, 0.0]


def test_each_tensor_has_a_scale_of_its_own() -> None:
    decoded_P = Int8((3, 3)).decode(Int8((3, 3)).encode(CHANGE_P))
    assert decoded_P[:3].tolist() == [0.0, 1.0, -127.0]  # the scale is 1
    torch.testing.assert_close(decoded_P[3:], CHANGE_P[3:], rtol=0, atol=0.25 / 127)


def test_a_tensor_that_has_not_changed_stays_so() -> None:
    assert Int8((2, 1)).decode(Int8((2, 1)).encode(torch.tensor([0.0, 0.0, 5.0]))).tolist() == [0.0, 0.0, 5.0]


def test_of_equal_magnitudes_the_lower_indices_are_kept() -> None:
    encoded = TopK(5, 3).encode(torch.tensor([1.0, -2.0, 2.0, -3.0, 2.0]))
    assert encoded[INDICES].tolist() == [1, 2, 3]
    assert encoded[VALUES].tolist() == [-2.0, 2.0, -3.0]


@pytest.mark.parametrize("encoding", [Float16(3), TopK(3, 1)], ids=lambda encoding: type(encoding).__name__)
def test_a_change_that_is_not_finite_is_not_hidden(encoding: ChangeEncoding) -> None:
    assert not encoding.decode(encoding.encode(torch.tensor([0.0, torch.nan, 1.0]))).isfinite().all()


def test_a_scale_that_is_not_finite_is_refused() -> None:
    with pytest.raises(UpdateRefusedError, match="a scale is above 0"):
        Int8((3,)).decode(Int8((3,)).encode(torch.tensor([0.0, torch.nan, 1.0])))
