"""Every architecture: shapes, sizes, gradients, initial weights, and what it says to images that are not its own."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import EmbeddingNetwork, build_network, initial_network
from fedface_learning.models.weights import encode_network, network_tensors

SMALL = {"height": 32, "width": 16, "channels": 1, "embedding_size": 8, "weights": "random"}
SMALL_PLANS: list[dict[str, object]] = [
    *({**SMALL, "architecture": f"spherenet-{layers}", "widths": (2, 4, 4, 6)} for layers in (4, 10, 20, 36, 64)),
    {**SMALL, "architecture": "mobilefacenet", "widths": (4, 6, 8)},
    {"architecture": "dlib-resnet", "weights": "random"},
]


@pytest.fixture(params=SMALL_PLANS, ids=lambda plan: plan["architecture"])
def plan(request: pytest.FixtureRequest) -> ModelPlan:
    return ModelPlan.model_validate(request.param)


def _images(plan: ModelPlan, count: int = 2) -> torch.Tensor:
    shape = (count, plan.channels, plan.height, plan.width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def _parameters(network: EmbeddingNetwork) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_embeddings_have_unit_length_and_reach_every_parameter(plan: ModelPlan) -> None:
    network = initial_network(plan, seed=0)
    features_ND = network.features(_images(plan))
    assert (features_ND.shape, features_ND.dtype) == ((2, plan.embedding_size), torch.float32)

    embeddings_ND = network(_images(plan))
    torch.testing.assert_close(embeddings_ND.norm(dim=1), torch.ones(2))
    (embeddings_ND @ torch.linspace(-1, 1, plan.embedding_size)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert any(parameter.grad.abs().max() > 0 for parameter in network.parameters() if parameter.grad is not None)


def test_the_same_seed_gives_the_same_bytes_and_leaves_torchs_generator_alone(plan: ModelPlan) -> None:
    before = torch.random.get_rng_state()
    first = encode_network(initial_network(plan, seed=3))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(1)
    assert encode_network(initial_network(plan, seed=3)) == first
    assert encode_network(initial_network(plan, seed=4)) != first


def test_floats_and_uint8_mean_the_same_pixels(plan: ModelPlan) -> None:
    network = initial_network(plan, seed=0).eval()
    images_NCHW = _images(plan)
    with torch.no_grad():
        assert torch.equal(network.features(images_NCHW), network.features(images_NCHW.float()))


def test_the_centre_is_subtracted_before_normalising(plan: ModelPlan) -> None:
    network = initial_network(plan, seed=0).eval()
    with torch.no_grad():
        features_ND = network.features(_images(plan))
        assert torch.equal(network(_images(plan)), functional.normalize(features_ND))
        network.centre.copy_(features_ND.mean(dim=0))
        embeddings_ND = network(_images(plan))
    # Two images and their mean: what is left of them points in opposite directions.
    torch.testing.assert_close(embeddings_ND[0], -embeddings_ND[1], atol=1e-4, rtol=0)
    assert "centre" in network_tensors(network)


@pytest.mark.parametrize("shape", [(2, 1, 16, 32), (2, 3, 32, 16), (1, 32, 16), (2, 1, 32, 17)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    network = initial_network(ModelPlan.model_validate(SMALL_PLANS[0]), seed=0)
    with pytest.raises(
        InvalidInputError, match=r"spherenet-4 takes images of shape \(N, 1, 32, 16\), uint8 or float, not \("
    ):
        network(torch.zeros(shape, dtype=torch.uint8))


def test_spherenet_4_of_the_speed_comparison_has_294_128_parameters() -> None:
    plan = ModelPlan.model_validate(
        {
            "architecture": "spherenet-4",
            "height": 56,
            "width": 48,
            "channels": 1,
            "embedding_size": 128,
            "widths": (16, 32, 64, 128),
        }
    )
    assert _parameters(build_network(plan)) == 294_128


@pytest.mark.parametrize(("layers", "blocks"), [(4, "0000"), (10, "0120"), (20, "1241"), (36, "2482"), (64, (3, 8, 16, 3))])
def test_spherenets_of_the_paper_have_the_parameters_that_its_table_implies(
    layers: int, blocks: str | tuple[int, ...]
) -> None:
    widths, inputs, expected, convolutions = (64, 128, 256, 512), 3, 0, 0
    for width, count in zip(widths, map(int, blocks), strict=True):
        # Weights, bias and PReLU of the opening convolution, then of two convolutions a block.
        expected += 9 * inputs * width + 2 * width + 2 * count * (9 * width * width + 2 * width)
        convolutions += 1 + 2 * count
        inputs = width
    expected += 7 * 6 * 512 * 512 + 512  # 112×96, halved four times, to 512-D.
    network = build_network(ModelPlan.model_validate({"architecture": f"spherenet-{layers}"}))
    assert convolutions == layers
    assert _parameters(network) == expected
    assert all("running" not in name for name, _ in network.named_buffers())


def test_a_network_knows_whether_it_normalises_by_the_batch(plan: ModelPlan) -> None:
    network = initial_network(plan, seed=0)
    with torch.no_grad():
        trained_on, evaluated = network.train().features(_images(plan)), network.eval().features(_images(plan))
    assert network.has_batch_norm == (not torch.equal(trained_on, evaluated))


def test_spherenet_starts_as_its_authors_start_it() -> None:
    plan = {**SMALL, "architecture": "spherenet-10", "widths": (32, 64, 64, 64)}
    tensors = network_tensors(initial_network(ModelPlan.model_validate(plan), seed=0))
    residual = [tensor for name, tensor in tensors.items() if ".residual." in name and tensor.ndim == 4]
    assert len(residual) == 6
    for tensor in residual:
        assert tensor.std().item() == pytest.approx(0.01, rel=0.05)
    opening = tensors["stages.1.0.weight"]  # Uniform within ±√(3 / fan-in).
    bound = (3 / (9 * 32)) ** 0.5
    assert 0.99 * bound < opening.abs().max().item() <= bound
    assert opening.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_mobilefacenet_of_the_paper_has_a_million_parameters() -> None:
    network = build_network(ModelPlan.model_validate({"architecture": "mobilefacenet"}))
    assert _parameters(network) == pytest.approx(0.99e6, rel=0.02)


def test_mobilefacenet_says_which_sizes_it_takes() -> None:
    with pytest.raises(ValidationError, match="16 must divide 32×24"):
        ModelPlan.model_validate({**SMALL_PLANS[5], "width": 24})


def test_mobilefacenet_keeps_batch_statistics() -> None:
    plan = ModelPlan.model_validate(SMALL_PLANS[5])
    network = initial_network(plan, seed=0)
    network(_images(plan))
    tensors = network_tensors(network)
    assert tensors["trunk.1.num_batches_tracked"].item() == 1
    assert tensors["trunk.1.running_mean"].abs().max() > 0
