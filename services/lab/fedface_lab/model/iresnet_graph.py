"""Gives the constants of an iresnet's ONNX graph the names that InsightFace's PyTorch weights have.

An exporter merges a BatchNorm into the convolution before it, and numbers the constants. So the graph is followed from its
input to its output, and the place of a constant says its name. A merged convolution is named as the convolution, and its
bias becomes that of a BatchNorm that changes nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[np.float32]

_EPSILON: Final = 1e-5  # of every BatchNorm of iresnet
_PASSED_ON: Final = frozenset({"Identity", "Dropout"})  # in evaluation they change nothing
_MOST_BLOCKS: Final = 200


class UnlikeGraphError(Exception):
    """The graph is not the expected one; the message says where they part."""


def name_tensors(
    graph: onnx.GraphProto, constants: Mapping[str, Array]
) -> tuple[dict[str, Array], tuple[float, float] | None]:
    """The constants by their published names, and mean and scale of pixels if the graph applies them itself.

    `UnlikeGraphError` if the graph is no iresnet of any depth.
    """
    walk = _Walk(graph, constants)
    scaling = walk.scaling()
    walk.convolution("conv1", "bn1", stride=1)
    walk.prelu("prelu")
    stage = 0
    block = 0
    for _ in range(_MOST_BLOCKS):
        if len(walk.readers[walk.at]) != 2:
            break
        widens = any(node.op_type == "Conv" for node in walk.readers[walk.at])
        stage, block = (stage + 1, 0) if widens else (stage, block + 1)
        walk.block(f"layer{stage}.{block}", widens=widens)
    walk.norm("bn2")
    walk.step("Flatten", "Reshape")
    walk.linear("fc")
    if walk.readers[walk.at]:
        walk.norm("features")
    else:
        walk.no_norm("features", len(walk.named["fc.bias"]))
    if walk.at not in {walk.resolved(output.name) for output in graph.output}:
        raise UnlikeGraphError("more follows its last layer")
    return walk.named, scaling


class _Walk:
    """A walk along the values of a graph, which names the constants on its way."""

    def __init__(self, graph: onnx.GraphProto, constants: Mapping[str, Array]) -> None:
        self._constants = dict(constants)
        self._names: dict[str, str] = {}  # a value that only passes another one on → that one
        self.named: dict[str, Array] = {}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            if self._passes_on(node):
                self._names[node.output[0]] = self.resolved(node.input[0])
                continue
            for name in dict.fromkeys(map(self.resolved, node.input)):
                if name not in self._constants:
                    self.readers[name].append(node)
        fixed = {initializer.name for initializer in graph.initializer}
        inputs = [each.name for each in graph.input if each.name not in fixed]
        if len(inputs) != 1:
            raise UnlikeGraphError(f"it has {len(inputs)} inputs")
        self.at = inputs[0]

    def resolved(self, name: str) -> str:
        """The value that the value of this name passes on."""
        return self._names.get(name, name)

    def _passes_on(self, node: onnx.NodeProto) -> bool:
        """Whether a node has the values of its input; the slopes of a PReLU may get their shape in the graph."""
        if not node.input or not node.output:
            return False
        return node.op_type in _PASSED_ON or (
            node.op_type == "Unsqueeze" and self.resolved(node.input[0]) in self._constants
        )

    def scaling(self) -> tuple[float, float] | None:
        """Mean and scale, if the graph begins with them: ``(pixel − mean) · (1 / scale)``."""
        found = False
        mean = 0.0
        scale = 1.0
        while (node := self._only_reader()) is not None and node.op_type in {"Sub", "Mul", "Div"}:
            factor = self._scalar(node)
            match node.op_type:
                case "Sub" if self.resolved(node.input[0]) == self.at:
                    mean += factor * scale
                case "Div" if self.resolved(node.input[0]) == self.at and factor != 0:
                    scale *= factor
                case "Mul" if factor != 0:
                    scale /= factor
                case _:
                    raise UnlikeGraphError(f"it begins with {node.op_type} in an unknown form")
            found = True
            self.at = node.output[0]
        return (mean, scale) if found else None

    def block(self, name: str, *, widens: bool) -> None:
        """The residual block of this name; one that ``widens`` has a convolution on its shortcut."""
        start = self.at
        stride = 2 if widens else 1
        self.norm(f"{name}.bn1")
        self.convolution(f"{name}.conv1", f"{name}.bn2", stride=1)
        self.prelu(f"{name}.prelu")
        self.convolution(f"{name}.conv2", f"{name}.bn3", stride=stride)
        main = self.at
        self.at = start
        if widens:
            self.convolution(f"{name}.downsample.0", f"{name}.downsample.1", stride=2)
        shortcut = self.at
        sums = [node for node in self.readers[main] if node.op_type == "Add"]
        if len(sums) != 1 or {*map(self.resolved, sums[0].input)} != {main, shortcut}:
            raise UnlikeGraphError(f"{name} does not add its shortcut")
        self.at = sums[0].output[0]

    def convolution(self, name: str, norm: str, *, stride: int) -> None:
        """A convolution and its BatchNorm, which may be merged into it."""
        node = self._reader("Conv", name)
        weight = self._constant(node, 1, name)
        kernel = weight.shape[-1] if weight.ndim == 4 else 0
        expected = {
            "strides": [stride, stride],
            "pads": [kernel // 2] * 4,
            "dilations": [1, 1],
            "group": 1,
            "auto_pad": b"NOTSET",
        }
        defaults = expected | {"strides": [1, 1], "pads": [0] * 4}
        found = {key: _attribute(node, key, default) for key, default in defaults.items()}
        wrong = [f"{key} {found[key]}" for key, value in expected.items() if found[key] != value]
        if wrong:
            raise UnlikeGraphError(f"{name} has {', '.join(wrong)}")
        self.named[f"{name}.weight"] = weight
        self.at = node.output[0]
        follower = self._only_reader()
        bias = self._constant(node, 2, name) if len(node.input) > 2 and node.input[2] else None
        if follower is not None and follower.op_type == "BatchNormalization" and bias is None:
            self.norm(norm)
        else:
            self.no_norm(norm, len(weight), bias)

    def norm(self, name: str) -> None:
        """A BatchNorm."""
        node = self._reader("BatchNormalization", name)
        if _attribute(node, "training_mode", 0):
            raise UnlikeGraphError(f"{name} is exported for training")
        parts = ("weight", "bias", "running_mean", "running_var")
        self.named |= {f"{name}.{part}": self._constant(node, 1 + place, name) for place, part in enumerate(parts)}
        epsilon = float(_attribute(node, "epsilon", 1e-5))
        if abs(epsilon - _EPSILON) > _EPSILON / 1000:  # MXNet's is twice as large
            self.named[f"{name}.running_var"] = (self.named[f"{name}.running_var"] + (epsilon - _EPSILON)).astype(np.float32)
        self.at = node.output[0]

    def no_norm(self, name: str, count: int, bias: Array | None = None) -> None:
        """A BatchNorm of so many channels, not in the graph, that adds ``bias`` and changes nothing else."""
        self.named[f"{name}.weight"] = np.ones(count, np.float32)
        self.named[f"{name}.bias"] = np.zeros(count, np.float32) if bias is None else bias
        self.named[f"{name}.running_mean"] = np.zeros(count, np.float32)
        self.named[f"{name}.running_var"] = np.full(count, 1 - _EPSILON, np.float32)

    def prelu(self, name: str) -> None:
        """A PReLU, whose slopes a graph keeps as (C, 1, 1)."""
        node = self._reader("PRelu", name)
        self.named[f"{name}.weight"] = self._constant(node, 1, name).reshape(-1)
        self.at = node.output[0]

    def linear(self, name: str) -> None:
        """A linear layer with a bias."""
        node = self._reader("Gemm", name)
        if _attribute(node, "alpha", 1.0) != 1 or _attribute(node, "beta", 1.0) != 1 or _attribute(node, "transA", 0):
            raise UnlikeGraphError(f"{name} scales or transposes its input")
        weight = self._constant(node, 1, name)
        self.named[f"{name}.weight"] = weight if _attribute(node, "transB", 0) else weight.T
        self.named[f"{name}.bias"] = self._constant(node, 2, name)
        self.at = node.output[0]

    def step(self, *operations: str) -> None:
        """A node without constants that are weights."""
        node = self._only_reader()
        if node is None or node.op_type not in operations:
            raise UnlikeGraphError(f"{operations[0]} is missing")
        self.at = node.output[0]

    def _only_reader(self) -> onnx.NodeProto | None:
        readers = self.readers[self.at]
        return readers[0] if len(readers) == 1 and readers[0].output else None

    def _reader(self, operation: str, name: str) -> onnx.NodeProto:
        found = [node for node in self.readers[self.at] if node.op_type == operation and node.output]
        if len(found) != 1 or self.resolved(found[0].input[0]) != self.at:
            raise UnlikeGraphError(f"where {name} should be, there is {_operations(self.readers[self.at])}")
        return found[0]

    def _constant(self, node: onnx.NodeProto, place: int, name: str) -> Array:
        given = self._constants.get(self.resolved(node.input[place])) if place < len(node.input) else None
        if given is None:
            raise UnlikeGraphError(f"input {place} of {name} is no constant of floats")
        return given

    def _scalar(self, node: onnx.NodeProto) -> float:
        given = [self._constants[name] for name in map(self.resolved, node.input) if name in self._constants]
        if len(given) != 1 or given[0].size != 1 or not np.isfinite(given[0]).all():
            raise UnlikeGraphError(f"it begins with {node.op_type} of more than a number")
        return float(given[0].reshape(-1)[0])


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    from onnx import helper

    given = [each for each in node.attribute if each.name == name]
    return helper.get_attribute_value(given[0]) if given else default


def _operations(nodes: list[onnx.NodeProto]) -> str:
    return " and ".join(f"{node.op_type:.30}" for node in nodes[:3]) or "nothing"
