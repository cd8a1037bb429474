"""The constants of an iresnet's graph get the names of the published weights: with them the network is the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from fedface_lab.model.iresnet_graph import UnlikeGraphError, name_tensors
from support.plain_iresnet import PlainIResNet, exported, small_iresnet


def named(data: bytes) -> tuple[dict[str, np.ndarray], tuple[float, float] | None]:
    graph = onnx.load_model_from_string(data).graph
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    floats = {name: array for name, array in constants.items() if array.dtype == np.float32}
    return name_tensors(graph, floats)


def features_with(network: PlainIResNet, tensors: dict[str, np.ndarray], images: torch.Tensor) -> torch.Tensor:
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}, strict=False)
    counters = {name for name in network.state_dict() if name.endswith("num_batches_tracked")}
    assert network.state_dict().keys() - counters == tensors.keys()
    with torch.no_grad():
        return network(images)  # type: ignore[no-any-return]


@pytest.mark.parametrize("merged", [True, False], ids=["merged", "as trained"])
@pytest.mark.parametrize("depths", [(1,), (2, 1)], ids=str)
def test_the_named_constants_are_the_network(depths: tuple[int, ...], merged: bool) -> None:
    network = small_iresnet(depths)
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        expected = network(images)
    data = exported(network, merged=merged)
    numbered = not any(
        node.op_type == "BatchNormalization" and "conv1" in node.name for node in onnx.load_from_string(data).graph.node
    )
    assert numbered or not merged
    tensors, scaling = named(data)
    assert scaling is None
    found = features_with(small_iresnet(depths), tensors, images)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_scaling_in_the_graph_is_told() -> None:
    _, scaling = named(exported(small_iresnet((1,), scaled=True)))
    assert scaling == (127.5, 128.0)


def test_another_epsilon_is_kept() -> None:
    network = small_iresnet((1,))
    model = onnx.load_model_from_string(exported(network))
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "epsilon":
                attribute.f = 2e-5
    tensors, _ = named(model.SerializeToString())
    variance = network.bn2.running_var
    assert variance is not None
    np.testing.assert_allclose(tensors["bn2.running_var"], variance.numpy() + 1e-5, rtol=1e-6)


def test_a_graph_of_another_network_is_told_apart() -> None:
    with pytest.raises(UnlikeGraphError, match="where bn2 should be, there is"):
        named(exported(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 1, 1), torch.nn.PReLU(4), torch.nn.Flatten())))
    with pytest.raises(UnlikeGraphError, match="where conv1 should be, there is Flatten"):
        named(exported(torch.nn.Flatten()))


def test_other_strides_are_another_network() -> None:
    network = small_iresnet((1,))
    network.layer1[0].conv2.stride = (1, 1)  # type: ignore[index, union-attr]
    network.layer1[0].downsample[0].stride = (1, 1)  # type: ignore[index, union-attr]
    network.fc = torch.nn.Linear(4 * 8 * 8, 5)
    with pytest.raises(UnlikeGraphError, match=r"layer1\.0\.conv2 has strides \[1, 1\]"):
        named(exported(network))


@cache
def small(*, scaled: bool = False) -> bytes:
    return exported(small_iresnet((1,), scaled=scaled))


def first(graph: onnx.GraphProto, operation: str) -> Any:
    return next(node for node in graph.node if node.op_type == operation)


def constant_of_another_name(graph: onnx.GraphProto) -> None:
    first(graph, "Conv").input[1] = "nobody's"


def two_inputs(graph: onnx.GraphProto) -> None:
    graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1]))


def more_behind(graph: onnx.GraphProto) -> None:
    graph.output[0].name = "of a further layer"


def doubled_main_path(graph: onnx.GraphProto) -> None:
    node = first(graph, "Add")
    node.input[1] = node.input[0]


def training_mode(graph: onnx.GraphProto) -> None:
    (mode,) = [each for each in first(graph, "BatchNormalization").attribute if each.name == "training_mode"]
    mode.i = 1


def factor(graph: onnx.GraphProto) -> None:
    (alpha,) = [each for each in first(graph, "Gemm").attribute if each.name == "alpha"]
    alpha.f = 2.0


def transposed(graph: onnx.GraphProto) -> None:
    first(graph, "Gemm").attribute.append(onnx.helper.make_attribute("transA", 1))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (constant_of_another_name, "input 1 of conv1 is no constant of floats"),
        (two_inputs, "it has 2 inputs"),
        (more_behind, "more follows its last layer"),
        (doubled_main_path, "layer1.0 does not add its shortcut"),
        (training_mode, "layer1.0.bn1 is exported for training"),
        (factor, "fc scales or transposes its input"),
        (transposed, "fc scales or transposes its input"),
    ],
)
def test_where_a_graph_parts_from_an_iresnet_is_told(change: Callable[[onnx.GraphProto], None], complaint: str) -> None:
    model = onnx.load_model_from_string(small())
    change(model.graph)
    with pytest.raises(UnlikeGraphError, match=f"^{re.escape(complaint)}$"):
        named(model.SerializeToString())


def pixels_last(graph: onnx.GraphProto) -> None:
    inputs = first(graph, "Sub").input
    inputs[0], inputs[1] = inputs[1], inputs[0]


def by_nothing(graph: onnx.GraphProto) -> None:
    node = first(graph, "Mul")
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((), np.float32), "nothing"))
    node.input[1] = "nothing"


def by_colour(graph: onnx.GraphProto) -> None:
    graph.initializer.append(onnx.numpy_helper.from_array(np.ones((3, 1, 1), np.float32), "colours"))
    first(graph, "Sub").input[1] = "colours"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (pixels_last, "it begins with Sub in an unknown form"),
        (by_nothing, "it begins with Mul in an unknown form"),
        (by_colour, "it begins with Sub of more than a number"),
    ],
)
def test_only_a_scaling_by_numbers_is_known(change: Callable[[onnx.GraphProto], None], complaint: str) -> None:
    model = onnx.load_model_from_string(small(scaled=True))
    change(model.graph)
    with pytest.raises(UnlikeGraphError, match=f"^{complaint}$"):
        named(model.SerializeToString())
