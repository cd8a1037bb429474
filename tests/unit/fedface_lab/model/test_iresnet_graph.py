"""The constants of an iresnet's graph get the names of the published weights: with them the network is the same."""

from __future__ import annotations

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
