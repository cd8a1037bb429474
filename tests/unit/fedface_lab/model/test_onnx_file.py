"""ONNX graphs give their constants; values in other files, and more values than there are bytes, are refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.model.onnx_file import read_onnx
from support.plain_iresnet import exported, small_iresnet

PATH = Path("w600k_r50.onnx")


def graph(**changes: object) -> bytes:
    tensor = onnx.numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    for name, value in changes.items():
        if isinstance(value, list):
            del getattr(tensor, name)[:]
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)
    inputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3]) for name in ("x", "y")]
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    made = onnx.helper.make_graph([node], "g", inputs[:1], inputs[1:], [tensor])
    return onnx.helper.make_model(made).SerializeToString()  # type: ignore[no-any-return]


def complaint(data: bytes) -> str:
    with pytest.raises(InvalidInputError) as refusal:
        read_onnx(PATH, data)
    return str(refusal.value)


def test_a_known_graph_comes_under_published_names_first() -> None:
    sets, remark = read_onnx(PATH, exported(small_iresnet((1,))))
    assert [each.place for each in sets] == ["its graph", ""]
    assert "layer1.0.downsample.1.running_var" in sets[0].tensors
    assert remark == ""


def test_another_graph_gives_its_constants_and_why() -> None:
    sets, remark = read_onnx(PATH, graph())
    assert [each.place for each in sets] == [""]
    assert sets[0].tensors["w"].shape == (2, 3)
    assert remark == "its graph is not that of an iresnet: where conv1 should be, there is Add"


def test_values_outside_of_the_file_are_not_read() -> None:
    said = complaint(graph(data_location=onnx.TensorProto.EXTERNAL, raw_data=b""))
    assert "keeps the values of 'w' in another file, which is not read" in said


@pytest.mark.parametrize("dims", [[2, 4], [2**40, 2**20], [-1, 6], [0, 2**60]], ids=str)
def test_shapes_and_values_have_to_agree(dims: list[int]) -> None:
    assert "constant 'w' has other values than its shape" in complaint(graph(dims=dims))


def test_a_graph_with_more_than_a_network_has_is_not_walked() -> None:
    model = onnx.load_model_from_string(graph())
    model.graph.node.extend([model.graph.node[0]] * 20_000)
    assert complaint(model.SerializeToString()) == f"{PATH} has 20,001 nodes and 1 constants: too many"
    model = onnx.load_model_from_string(graph())
    model.graph.initializer.extend([model.graph.initializer[0]] * 20_000)
    assert complaint(model.SerializeToString()) == f"{PATH} has 1 nodes and 20,001 constants: too many"


def test_cut_off_and_flipped_graphs_are_errors_or_constants() -> None:
    data = exported(small_iresnet((1,)))
    draw = np.random.default_rng(0)
    for size in draw.integers(1, len(data), 15):
        try:
            read_onnx(PATH, data[:size])
        except InvalidInputError as error:
            assert "w600k_r50.onnx" in str(error)  # noqa: PT017  either is right
    for _ in range(60):
        damaged = bytearray(data)
        for place in draw.integers(0, len(data), 3):
            damaged[place] ^= 1 << int(draw.integers(8))
        try:
            read_onnx(PATH, bytes(damaged))
        except InvalidInputError as error:
            assert "w600k_r50.onnx" in str(error)  # noqa: PT017  either is right


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "which the package onnx reads; install it with: pip install -c constraints.txt onnx" in complaint(b"")
