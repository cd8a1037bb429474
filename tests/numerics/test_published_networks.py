"""Published weights in our networks against the forward passes of those who publish them: features equal to 1e-5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_lab.model.onnx_export import encode_onnx
from fedface_learning.models import build_network
from fedface_learning.models.layouts import LAYOUTS
from fedface_learning.models.layouts.improved_resnets import adaface, face_evolve, insightface
from fedface_learning.models.layouts.inception_resnets import facenet_pytorch
from fedface_learning.models.layouts.layout import InputConvention, Layout
from fedface_learning.models.layouts.mobilefacenets import insightface_pytorch
from fedface_learning.models.layouts.spherenets import sphere20a
from fedface_learning.models.weights import load_tensors
from support import published_networks as published

W4 = (8, 16, 16, 24)
SE = (16, 32, 32, 48)
SMALL = {"height": 28, "width": 20, "embedding_size": 8}

# Architecture → our layout, and the forward pass of its publishers for four stages' widths and dimensions.
_Network = tuple[Callable[[ModelPlan], Layout], Callable[..., published.Forward], dict[str, Any]]
NETWORKS: dict[str, _Network] = {
    **{f"iresnet-{n}": (insightface, published.insightface, {"layers": n}) for n in (18, 34, 50, 100)},
    **{
        f"ir-{n}": (face_evolve, published.face_evolve, {"layers": layers})
        for n, layers in ((50, 50), (101, 100), (152, 152))
    },
    **{
        f"ir-se-{n}": (face_evolve, published.face_evolve, {"layers": layers, "squeezes": True})
        for n, layers in ((50, 50), (101, 100), (152, 152))
    },
    **{
        f"adaface-ir-{n}": (adaface, published.adaface, {"layers": layers})
        for n, layers in ((18, 18), (34, 34), (50, 50), (101, 100))
    },
    "adaface-ir-se-50": (adaface, published.adaface, {"layers": 50, "squeezes": True}),
    "spherenet-20": (sphere20a, published.sphere20a, {}),
    "mobilefacenet": (insightface_pytorch, published.insightface_pytorch, {}),
    "inception-resnet-v1": (facenet_pytorch, published.facenet_pytorch, {}),
}
# What the authors feed their networks, as they say: which cannot be seen in the tensors.
FED: dict[str, tuple[str, float]] = {"iresnet": ("rgb", 127.5), "ir": ("rgb", 127.5), "adaface": ("bgr", 127.5)}
FED |= {"spherenet": ("bgr", 128.0), "mobilefacenet": ("bgr", 127.5), "inception": ("rgb", 128.0)}

OTHERS = [InputConvention("rgb", 127.5, 127.5), InputConvention("bgr", 127.5, 128.0), InputConvention("bgr", 127.5, 255.0)]


def small(architecture: str) -> tuple[Layout, published.Forward]:
    """The network with all its layers and few channels."""
    layout_of, forward_of, options = NETWORKS[architecture]
    sizes: dict[str, Any] = {"widths": SE if "-se-" in architecture else W4}
    plan: dict[str, Any] = SMALL | sizes
    if architecture == "mobilefacenet":
        sizes = {"widths": (4, 6, 6)}
        plan = {"height": 32, "width": 16, "embedding_size": 8, "widths": (4, 6, 6)}
    elif architecture == "inception-resnet-v1":
        sizes = {"base": 16}
        plan = {"height": 91, "width": 75, "embedding_size": 8, "widths": (16,)}
    layout = layout_of(ModelPlan.model_validate({"architecture": architecture, **plan}))
    return layout, forward_of(dimensions=8, **sizes, **options)


def images_of(plan: ModelPlan, count: int) -> Tensor:
    """Photographs of random colours and brightness."""
    draws = torch.Generator().manual_seed(5)
    noise_NCHW = torch.rand(count, 3, plan.height, plan.width, generator=draws)
    return (255 * noise_NCHW * torch.rand(count, 3, 1, 1, generator=draws)).to(torch.uint8)


def fed(images_NCHW: Tensor, convention: InputConvention) -> Tensor:
    ordered_NCHW = images_NCHW[:, [2, 1, 0]] if convention.channel_order == "bgr" else images_NCHW
    return (ordered_NCHW.float() - convention.pixel_mean) / convention.pixel_scale


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


@torch.no_grad()
def assert_features_are_equal(layout: Layout, forward: published.Forward, convention: InputConvention, images: int) -> None:
    weights = published.Published(seed=3)
    images_NCHW = images_of(layout.plan, images)
    expected_ND = forward(weights, fed(images_NCHW, convention))
    assert shapes(weights.tensors) == dict(layout.shapes)
    network = build_network(layout.plan).eval()
    # Over 152 layers, the rounding of float32 alone is more: 1.3e-5 of a standard deviation was seen.
    tolerance = 2e-5 if layout.plan.architecture.endswith("-152") else 1e-5
    load_tensors(network, layout.convert(weights.tensors, convention), layout.name)
    found_ND = network.features(images_NCHW) - network.centre
    assert 0.01 < expected_ND.std() < 1000
    torch.testing.assert_close(found_ND / expected_ND.std(), expected_ND / expected_ND.std(), rtol=1e-5, atol=tolerance)
    torch.testing.assert_close(network(images_NCHW), normalize(expected_ND), rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_with_few_channels_features_are_the_publishers(architecture: str) -> None:
    layout, forward = small(architecture)
    assert_features_are_equal(layout, forward, layout.input, images=2)


@pytest.mark.parametrize("convention", OTHERS, ids=str)
@pytest.mark.parametrize("architecture", ["iresnet-18", "spherenet-20", "mobilefacenet", "inception-resnet-v1"])
def test_weights_of_networks_that_are_fed_otherwise_give_their_features(
    architecture: str, convention: InputConvention
) -> None:
    layout, forward = small(architecture)
    assert_features_are_equal(layout, forward, convention, images=2)


@pytest.mark.parametrize(
    "architecture",
    ["iresnet-18", "ir-50", "ir-se-50", "adaface-ir-18", "spherenet-20", "mobilefacenet", "inception-resnet-v1"],
)
@torch.no_grad()
def test_exported_graphs_give_the_publishers_embeddings_under_another_runtime(architecture: str) -> None:
    layout, forward = small(architecture)
    weights = published.Published(seed=3)
    images_NCHW = images_of(layout.plan, 3)
    expected_ND = normalize(forward(weights, fed(images_NCHW, layout.input)))
    network = build_network(layout.plan)
    load_tensors(network, layout.convert(weights.tensors, layout.input), layout.name)
    session = onnxruntime.InferenceSession(encode_onnx(network, "a" * 64), providers=["CPUExecutionProvider"])
    (found_ND,) = session.run(["embeddings"], {"images": images_NCHW.float().numpy()})
    torch.testing.assert_close(torch.from_numpy(found_ND), expected_ND, rtol=0, atol=1e-5)


def test_every_layout_is_tested() -> None:
    assert [layout.plan.architecture for layout in LAYOUTS if layout.plan.architecture not in NETWORKS] == []
    assert len(LAYOUTS) == len(NETWORKS)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.plan.architecture)
def test_published_names_and_shapes_are_needed(layout: Layout) -> None:
    """Nothing is computed: on the device `meta`, tensors have shapes only."""
    _, forward_of, options = NETWORKS[layout.plan.architecture]
    weights = published.Published(device="meta")
    plan = layout.plan
    forward_of(**options)(weights, torch.empty(1, plan.channels, plan.height, plan.width, device="meta"))
    assert shapes(weights.tensors) == dict(layout.shapes)
    order, scale = FED[plan.architecture.split("-")[0]]
    assert layout.input == InputConvention(order, 127.5, scale)  # type: ignore[arg-type]


# The whole state of the published networks: with counters, and for sphere20a and InceptionResnetV1 with the classifier.
COUNTS = {"iresnet-18": 187, "iresnet-50": 475, "iresnet-100": 925, "spherenet-20": 63}


@pytest.mark.parametrize("architecture", COUNTS)
def test_a_published_file_has_so_many_tensors(architecture: str) -> None:
    [layout] = [layout for layout in LAYOUTS if layout.plan.architecture == architecture]
    assert not layout.unused & layout.shapes.keys()
    assert len(layout.shapes) + len(layout.unused) == COUNTS[architecture]


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(
            layout,
            id=layout.plan.architecture,
            marks=[]
            if layout.plan.architecture in ("iresnet-18", "spherenet-20", "mobilefacenet", "inception-resnet-v1")
            else pytest.mark.long,
        )
        for layout in LAYOUTS
    ],
)
def test_at_their_published_size_features_are_the_publishers(layout: Layout) -> None:
    _, forward_of, options = NETWORKS[layout.plan.architecture]
    assert_features_are_equal(layout, forward_of(**options), layout.input, images=1)


@pytest.mark.parametrize("architecture", ["iresnet-18", "inception-resnet-v1"])
def test_another_mean_cannot_be_had(architecture: str) -> None:
    layout, _ = small(architecture)
    tensors = {name: torch.ones(shape) for name, shape in layout.shapes.items()}
    with pytest.raises(InvalidInputError, match=r"pixels minus 127.5, and not minus 0\. .* padded with zeros"):
        layout.convert(tensors, replace(layout.input, pixel_mean=0.0))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_is_a_number_above_zero(scale: float) -> None:
    layout, _ = small("iresnet-18")
    tensors = {name: torch.ones(shape) for name, shape in layout.shapes.items()}
    with pytest.raises(InvalidInputError, match="a number above 0, not"):
        layout.convert(tensors, replace(layout.input, pixel_scale=scale))
