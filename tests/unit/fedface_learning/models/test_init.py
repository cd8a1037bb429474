"""Every architecture that a plan can name: its output, its gradients and its initial weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import build_network, initial_network
from fedface_learning.models.weights import encode_network, network_tensors

SMALL = {"height": 32, "width": 16, "channels": 1, "embedding_size": 8, "weights": "random"}
PLANS: list[dict[str, object]] = [
    *({**SMALL, "architecture": f"spherenet-{layers}", "widths": (2, 4, 4, 6)} for layers in (4, 10, 20, 36, 64)),
    {**SMALL, "architecture": "mobilefacenet", "widths": (4, 6, 8)},
    {"architecture": "dlib-resnet", "weights": "random"},
    *({**SMALL, "architecture": name, "widths": (8, 8, 16, 16)} for name in ("iresnet-18", "ir-50", "adaface-ir-18")),
    *({**SMALL, "architecture": name, "widths": (16, 16, 16, 16)} for name in ("ir-se-50", "adaface-ir-se-50")),
    {**SMALL, "architecture": "inception-resnet-v1", "height": 91, "width": 75, "widths": (16,)},
]


@pytest.fixture(params=PLANS, ids=lambda plan: plan["architecture"])
def plan(request: pytest.FixtureRequest) -> ModelPlan:
    return ModelPlan.model_validate(request.param)


def images_of(plan: ModelPlan) -> Tensor:
    shape = (2, plan.channels, plan.height, plan.width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_embeddings_have_unit_length_and_reach_every_parameter(plan: ModelPlan) -> None:
    network = initial_network(plan, seed=0)
    features_ND = network.features(images_of(plan))
    assert (features_ND.shape, features_ND.dtype) == ((2, plan.embedding_size), torch.float32)

    embeddings_ND = network(images_of(plan))
    torch.testing.assert_close(embeddings_ND.norm(dim=1), torch.ones(2))
    (embeddings_ND @ torch.linspace(-1, 1, plan.embedding_size)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert any(parameter.grad.abs().max() > 0 for parameter in network.parameters() if parameter.grad is not None)


def test_equal_seeds_give_equal_bytes_and_leave_torchs_generator_alone(plan: ModelPlan) -> None:
    before = torch.random.get_rng_state()
    first = encode_network(initial_network(plan, seed=3))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(1)
    assert encode_network(initial_network(plan, seed=3)) == first
    assert encode_network(initial_network(plan, seed=4)) != first


def test_floats_and_uint8_mean_the_same_pixels(plan: ModelPlan) -> None:
    network = initial_network(plan, seed=0).eval()
    images_NCHW = images_of(plan)
    with torch.no_grad():
        assert torch.equal(network.features(images_NCHW), network.features(images_NCHW.float()))


def test_the_centre_is_subtracted_before_normalising(plan: ModelPlan) -> None:
    network = initial_network(plan, seed=0).eval()
    with torch.no_grad():
        features_ND = network.features(images_of(plan))
        assert torch.equal(network(images_of(plan)), functional.normalize(features_ND))
        network.centre.copy_(features_ND.mean(dim=0))
        embeddings_ND = network(images_of(plan))
    # Minus their mean, the features of two images point in opposite directions.
    torch.testing.assert_close(embeddings_ND[0], -embeddings_ND[1], atol=1e-4, rtol=0)
    assert "centre" in network_tensors(network)


def test_a_network_knows_whether_it_normalises_by_the_batch(plan: ModelPlan) -> None:
    network = initial_network(plan, seed=0)
    with torch.no_grad():
        in_training_ND = network.train().features(images_of(plan))
        in_evaluation_ND = network.eval().features(images_of(plan))
    assert network.has_batch_norm == (not torch.equal(in_training_ND, in_evaluation_ND))


def test_a_built_network_is_in_training_mode_with_its_weights_channels_last(plan: ModelPlan) -> None:
    network = build_network(plan)
    assert network.training
    weights = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
