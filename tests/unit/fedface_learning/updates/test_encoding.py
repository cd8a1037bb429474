"""Residuals as objects, and which encoding a plan has."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import initial_network
from fedface_learning.updates.encoding import (
    WHOLE_MODEL,
    decode_residual,
    encode_residual,
    residual_limit,
    update_encoding_of,
)
from support.small_networks import small_plan


def test_a_residual_comes_back_from_its_object_and_from_no_other() -> None:
    residual_P = torch.linspace(-1, 1, 30)
    assert torch.equal(decode_residual(encode_residual(residual_P), 30), residual_P)
    with pytest.raises(DamagedObjectError, match="a residual is one tensor, residual_P, not weight"):
        decode_residual(encode_tensors({"weight": residual_P}), 30)
    with pytest.raises(DamagedObjectError, match="not nothing"):
        decode_residual(encode_tensors({}), 30)


@pytest.mark.parametrize(
    ("residual_P", "complaint"),
    [
        (torch.zeros(1), r"a residual has 30 float32 numbers; this one is torch.float32 \(1,\)"),
        (torch.zeros(30, 1), r"torch.float32 \(30, 1\)"),
        (torch.zeros(30, dtype=torch.float64), "torch.float64"),
        (torch.full((30,), float("nan")), "a residual has finite numbers"),
        (torch.full((30,), float("inf")), "a residual has finite numbers"),
    ],
    ids=["one number for all", "shape", "dtype", "NaN", "infinite"],
)
def test_a_residual_that_would_spoil_the_change_is_damaged(residual_P: torch.Tensor, complaint: str) -> None:
    with pytest.raises(DamagedObjectError, match=complaint):
        decode_residual(encode_tensors({"residual_P": residual_P}), 30)


def test_the_object_of_a_residual_is_within_its_limit() -> None:
    for count in (1, 1000):
        assert len(encode_residual(torch.zeros(count))) <= residual_limit(count) <= 4 * count + 4096


def test_a_plan_without_an_encoding_has_the_whole_model() -> None:
    assert update_encoding_of(small_plan()) is WHOLE_MODEL


def test_only_parameters_are_encoded_in_the_order_of_their_names() -> None:
    plan = small_plan(update_encoding="float16")
    network = initial_network(plan.model, 0)
    encoding = update_encoding_of(plan)
    assert list(encoding.parameters) == sorted(name for name, _ in network.named_parameters())
    layout = encoding.layout(network.state_dict())
    assert layout.keys() == {"centre", "change/float16"}
    assert layout["change/float16"].shape == (sum(parameter.numel() for parameter in network.parameters()),)
