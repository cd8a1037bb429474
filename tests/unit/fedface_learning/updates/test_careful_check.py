"""Each invariant of an update by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.updates.careful_check import (
    check_dtype,
    check_finite,
    check_image_count,
    check_names,
    check_shape,
    unit_directions,
)

ACCEPTED = AcceptedUpdate(sha256="a" * 64, size=100, images=10)
HELD: list[Callable[[], object]] = [
    lambda: check_names({"a": torch.ones(1)}, {"a": torch.zeros(1)}),
    lambda: check_shape("a", torch.ones(2, 3), torch.zeros(2, 3)),
    lambda: check_dtype("a", torch.ones(1), torch.zeros(1)),
    lambda: check_finite("a", torch.tensor([3e38, -3e38])),
    lambda: check_finite("a", torch.empty(0)),
    lambda: check_image_count({"images": 10}, ACCEPTED),
]
BROKEN: dict[str, tuple[Callable[[], object], str]] = {
    "names": (lambda: check_names({}, {"a": torch.zeros(1)}), "wrong_tensors"),
    "shape": (lambda: check_shape("a", torch.ones(6), torch.zeros(2, 3)), "wrong_shape"),
    "dtype": (lambda: check_dtype("a", torch.ones(1).half(), torch.zeros(1)), "wrong_dtype"),
    "finite": (lambda: check_finite("a", torch.tensor([0.0, -torch.inf])), "not_finite"),
    "image count": (lambda: check_image_count({}, ACCEPTED), "wrong_image_count"),
    "directions": (lambda: unit_directions("a", torch.tensor([[0.0, 0.0]])), "norm_exceeded"),
}


@pytest.mark.parametrize("check", HELD)
def test_an_invariant_that_holds_refuses_nothing(check: Callable[[], object]) -> None:
    check()


@pytest.mark.parametrize("invariant", BROKEN)
def test_a_broken_invariant_is_refused_for_its_own_reason(invariant: str) -> None:
    check, reason = BROKEN[invariant]
    with pytest.raises(UpdateRefusedError) as refused:
        check()
    assert refused.value.reason == reason


def test_directions_are_of_exactly_unit_length_afterwards() -> None:
    nearly = torch.tensor([[0.6004, 0.8], [1.0, 0.0]])
    rows = unit_directions("rows", nearly)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.norm(dim=-1), torch.ones(2), rtol=0, atol=1e-7)
