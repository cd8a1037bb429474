"""Residuals as objects, and which encoding a plan has."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import initial_network
from fedface_learning.updates.encoding import WHOLE_MODEL, decode_residual, encode_residual, update_encoding_of
from support.small_networks import small_plan


def test_a_residual_comes_back_from_its_object_and_from_no_other() -> None:
    residual_P = torch.linspace(-1, 1, 30)
    assert torch.equal(decode_residual(encode_residual(residual_P)), residual_P)
    with pytest.raises(DamagedObjectError, match="a residual is one tensor, residual_P, not weight"):
        decode_residual(encode_tensors({"weight": residual_P}))
    with pytest.raises(DamagedObjectError, match="not nothing"):
        decode_residual(encode_tensors({}))


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
