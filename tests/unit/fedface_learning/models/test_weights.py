"""Weights into a network: exactly, all or nothing, and with a message that says what does not fit."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import encode_network, load_network, load_tensors, network_tensors

SHAPE = {"height": 32, "width": 32, "channels": 1, "embedding_size": 8}
SPHERENET = ModelPlan.model_validate({**SHAPE, "architecture": "spherenet-10", "widths": (2, 4, 4, 4)})
MOBILEFACENET = ModelPlan.model_validate({**SHAPE, "architecture": "mobilefacenet", "widths": (4, 4, 4)})
DLIB = ModelPlan.model_validate({"architecture": "dlib-resnet", "weights": "random"})


@pytest.fixture
def network() -> EmbeddingNetwork:
    return initial_network(SPHERENET, seed=0)


@pytest.mark.parametrize("plan", [SPHERENET, MOBILEFACENET, DLIB], ids=lambda plan: plan.architecture)
def test_a_network_comes_back_from_its_bytes(plan: ModelPlan) -> None:
    network = initial_network(plan, seed=1)
    network.centre.fill_(0.5)
    data = encode_network(network)
    again = load_network(plan, data, "the model")
    assert encode_network(again) == data
    images_NCHW = torch.full((2, plan.channels, plan.height, plan.width), 100.0)
    with torch.no_grad():
        assert torch.equal(again.eval()(images_NCHW), network.eval()(images_NCHW))


def test_loading_keeps_the_networks_own_memory(network: EmbeddingNetwork) -> None:
    parameter = next(network.parameters())
    address = parameter.data_ptr()
    load_tensors(network, network_tensors(initial_network(SPHERENET, seed=1)), "the model")
    assert parameter.data_ptr() == address
    assert encode_network(network) == encode_network(initial_network(SPHERENET, seed=1))


def test_every_misfit_is_named_and_nothing_is_loaded(network: EmbeddingNetwork) -> None:
    before = encode_network(network)
    tensors = {name: torch.ones_like(tensor) for name, tensor in network_tensors(network).items()}
    del tensors["centre"]
    tensors["extra"] = torch.zeros(1)
    tensors["embedding.bias"] = torch.zeros(9)
    tensors["embedding.weight"] = tensors["embedding.weight"].double()
    with pytest.raises(InvalidInputError) as refusal:
        load_tensors(network, tensors, "weights.safetensors")
    assert str(refusal.value) == (
        "weights.safetensors does not fit spherenet-10 as planned. Tensors missing (1): centre; unexpected (1): extra; "
        "of the wrong shape (1): embedding.bias: (9,), must be (8,); "
        "of the wrong dtype (1): embedding.weight: float64, must be float32"
    )
    assert encode_network(network) == before


def test_many_misfits_are_counted_and_the_first_few_named(network: EmbeddingNetwork) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        load_tensors(network, {f"tensor-{number:02d}": torch.zeros(1) for number in range(12)}, "the model")
    assert "unexpected (12): tensor-00, tensor-01, tensor-02, tensor-03, tensor-04, and 7 more" in str(refusal.value)
    assert f"missing ({len(network.state_dict())}): centre, " in str(refusal.value)


def test_bytes_that_are_no_safetensors_are_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match=r"^models/abc is not a safetensors file: its header is not JSON"):
        load_network(SPHERENET, b"\x02\0\0\0\0\0\0\0{}"[:9] + b"x", "models/abc")
    with pytest.raises(InvalidInputError, match=r"^models/abc is not a safetensors file: it is a PyTorch file; `fedface"):
        load_network(SPHERENET, b"PK\x03\x04" + bytes(30) + b"x/data.pkl", "models/abc")


def test_anothers_weights_are_refused() -> None:
    data = encode_tensors({"conv1.weight": torch.zeros(3)}, {"from": "elsewhere"})
    with pytest.raises(InvalidInputError, match=r"unexpected \(1\): conv1\.weight"):
        load_network(SPHERENET, data, "the model")
