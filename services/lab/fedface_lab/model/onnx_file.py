"""Reads the tensors of ONNX graphs, which are looked at and never executed."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.model.iresnet_graph import UnlikeGraphError, name_tensors
from fedface_lab.model.tensor_set import MOST_TENSORS, TensorSet

if TYPE_CHECKING:
    import onnx

_MOST_NODES: Final = 20_000
_MOST_BYTES_OF_VALUE: Final = 8
_UNLIKE_IRESNET: Final = "its graph is not that of an iresnet"


def read_onnx(path: Path, data: bytes) -> tuple[list[TensorSet], str]:
    """The constants of the graph in ``data``, the bytes of the file, under the names that published weights have.

    A graph whose names an exporter has replaced by numbers is known by its structure, if it is InsightFace's iresnet. The
    constants follow under their own names. The text says why the structure was not known; it is empty if it was.
    `InvalidInputError` if the package `onnx` is not installed, the file is damaged, or its values lie in other files.
    """
    graph = _graph(path, data)
    if len(graph.node) > _MOST_NODES or len(graph.initializer) > MOST_TENSORS:
        raise InvalidInputError(f"{path} has {len(graph.node):,} nodes and {len(graph.initializer):,} constants: too many")
    constants = _constants(path, graph)
    sets = [TensorSet("", {name: torch.from_numpy(array) for name, array in constants.items()})]
    try:
        named, scaling = name_tensors(graph, constants)
    except UnlikeGraphError as error:
        return sets, f"{_UNLIKE_IRESNET}: {error}"
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in named.items()}
    return [TensorSet("its graph", tensors, scaling), *sets], ""


def _graph(path: Path, data: bytes) -> onnx.GraphProto:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError:
        raise InvalidInputError(
            f"{path} is an ONNX graph, which the package onnx reads; install it with: pip install -c constraints.txt onnx"
        ) from None
    try:
        return onnx.load_model_from_string(data).graph
    except (DecodeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} is cut off or damaged: it is no whole ONNX graph ({error})") from None


def _constants(path: Path, graph: onnx.GraphProto) -> dict[str, npt.NDArray[np.float32]]:
    """The graph's constants that are floats, by name, as float32."""
    from onnx import TensorProto

    given = {initializer.name: initializer for initializer in graph.initializer}
    for node in graph.node:
        values = [each.t for each in node.attribute if each.name == "value"]
        if node.op_type == "Constant" and node.output and values:
            given[node.output[0]] = values[0]
    floats = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
    return {name: _array(path, name, tensor) for name, tensor in given.items() if tensor.data_type in floats}


def _array(path: Path, name: str, tensor: onnx.TensorProto) -> npt.NDArray[np.float32]:
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise InvalidInputError(
            f"{path} keeps the values of {name!r:.100} in another file, which is not read: save the graph as one file, with "
            "onnx.save(onnx.load(FILE), OTHER)"
        )
    # Whatever is declared, no more values are made than the file has.
    stored = len(tensor.raw_data) + _MOST_BYTES_OF_VALUE * sum(
        map(len, (tensor.float_data, tensor.int32_data, tensor.double_data))
    )
    try:
        if prod(tensor.dims) > stored or any(size < 0 for size in tensor.dims):
            raise ValueError(f"it declares the shape {tuple(tensor.dims)}")  # noqa: TRY301  the library's errors are alike
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInputError(
            f"{path} is damaged: constant {name!r:.100} has other values than its shape: {error}"
        ) from None
    with np.errstate(over="ignore"):  # a value too large for float32 is found when all have to be finite
        return np.array(array, dtype=np.float32)
