"""A model file is read within bounds; the network that it says it is needs no option."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_lab.evaluation.model_file import network_in, open_model_file
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from support.small_networks import TINY

PLAN = ModelPlan.model_validate(TINY)


def test_a_model_of_a_run_says_nothing_and_is_loaded_by_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(encode_network(initial_network(PLAN, 0)))
    model = open_model_file(path)
    assert model.described_plan is None
    assert encode_network(network_in(model, PLAN)) == path.read_bytes()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            b"PK\x03\x04" + bytes(30) + b"archive/data.pkl",
            "it is a PyTorch file; `fedface model import` makes a model of it",
        ),
        (b"", "is not a safetensors file: it is an empty file"),
        (encode_tensors({"w": torch.ones(1)}, {"imported": 1}), "describes a network that this version does not know"),
        (encode_tensors({"w": torch.ones(1)}).replace(b'"{}"', b'"[]"'), "must be a JSON object, not list"),
    ],
    ids=["PyTorch", "empty", "description", "metadata"],
)
def test_what_is_no_model_is_said(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(InvalidInputError, match=said):
        open_model_file(tmp_path / "m")
