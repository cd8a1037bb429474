"""SphereNet: its size by the paper's table, and its initial weights."""

from __future__ import annotations

import pytest

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import build_network, initial_network
from fedface_learning.models.weights import network_tensors


def parameters_of(plan: dict[str, object]) -> int:
    return sum(parameter.numel() for parameter in build_network(ModelPlan.model_validate(plan)).parameters())


def test_spherenet_4_of_the_speed_comparison_has_294_128_parameters() -> None:
    size = {"height": 56, "width": 48, "channels": 1, "embedding_size": 128, "widths": (16, 32, 64, 128)}
    assert parameters_of({"architecture": "spherenet-4", **size}) == 294_128


@pytest.mark.parametrize(
    ("layers", "blocks"),
    [(4, (0, 0, 0, 0)), (10, (0, 1, 2, 0)), (20, (1, 2, 4, 1)), (36, (2, 4, 8, 2)), (64, (3, 8, 16, 3))],
)
def test_spherenets_of_the_paper_have_the_parameters_that_its_table_implies(layers: int, blocks: tuple[int, ...]) -> None:
    inputs = 3
    expected = 0
    convolutions = 0
    for width, count in zip((64, 128, 256, 512), blocks, strict=True):
        # Weights, bias and PReLU of the opening convolution, then of two convolutions in each block.
        expected += 9 * inputs * width + 2 * width + 2 * count * (9 * width * width + 2 * width)
        convolutions += 1 + 2 * count
        inputs = width
    expected += 7 * 6 * 512 * 512 + 512  # 112×96, halved four times, to 512-D.
    assert convolutions == layers
    assert parameters_of({"architecture": f"spherenet-{layers}"}) == expected


def test_spherenet_has_no_buffer_but_the_centre() -> None:
    network = build_network(ModelPlan.model_validate({"architecture": "spherenet-10"}))
    parameters = {name for name, _ in network.named_parameters()}
    assert network_tensors(network).keys() - parameters == {"centre"}


def test_spherenet_starts_as_its_authors_start_it() -> None:
    plan = {
        "architecture": "spherenet-10",
        "height": 32,
        "width": 16,
        "channels": 1,
        "embedding_size": 8,
        "widths": (32, 64, 64, 64),
    }
    tensors = network_tensors(initial_network(ModelPlan.model_validate(plan), seed=0))
    residual = [tensor for name, tensor in tensors.items() if ".residual." in name and tensor.ndim == 4]
    assert len(residual) == 6
    for tensor in residual:
        assert tensor.std().item() == pytest.approx(0.01, rel=0.05)
    opening = tensors["stages.1.0.weight"]  # Uniform within ±√(3 / fan-in).
    bound = (3 / (9 * 32)) ** 0.5
    assert 0.99 * bound < opening.abs().max().item() <= bound
    assert opening.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
