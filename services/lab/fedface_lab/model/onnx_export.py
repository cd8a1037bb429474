"""Writes a network as an ONNX graph: pixels in, unit embeddings out."""

from __future__ import annotations

import io
import logging
import warnings
from typing import Final

import torch
from torch import Tensor, nn

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.models import EmbeddingNetwork

INPUT: Final = "images"
OUTPUT: Final = "embeddings"
_OPSET: Final = 17  # of 2022: every runtime in use knows it
_TRACED_IMAGES: Final = 2


class _Embedding(nn.Module):
    """A network as a graph sees it."""

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_NCHW: Tensor) -> Tensor:
        embeddings_ND: Tensor = self.network(images_NCHW)
        return embeddings_ND


def encode_onnx(network: EmbeddingNetwork, sha256: str) -> bytes:
    """The network in evaluation mode as the bytes of an ONNX graph; the network is left in that mode.

    Input ``images``: float32 (N, C, H, W) pixels from 0 to 255, RGB or grey, for any N. Output ``embeddings``: float32
    (N, D), as `EmbeddingNetwork.forward` gives them. The graph's metadata says so, and names the model by ``sha256``.
    `InvalidInputError` if the package `onnx` is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise InvalidInputError(
            "to write ONNX graphs needs the package onnx; install it with: pip install -c constraints.txt onnx"
        ) from None
    network.eval()
    plan = network.plan
    images_NCHW = torch.zeros(_TRACED_IMAGES, plan.channels, plan.height, plan.width)
    graph = io.BytesIO()
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the tracer: checks of shapes become constants, as they should
            # The exporter that took this one's place needs onnxscript, ten times the time, and prints.
            torch.onnx.export(
                _Embedding(network).eval(),
                (images_NCHW,),
                graph,  # type: ignore[arg-type]  # a file does, without dynamo
                dynamo=False,
                opset_version=_OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "N"}, OUTPUT: {0: "N"}},
            )
    finally:
        quiet.setLevel(level)
    model = onnx.load_model_from_string(graph.getvalue())
    model.producer_name = "FedFace"
    colours = "RGB" if plan.channels == 3 else "grey"
    onnx.helper.set_model_props(
        model,
        {
            "architecture": plan.architecture,
            "model_sha256": sha256,
            INPUT: f"float32 (N, {plan.channels}, {plan.height}, {plan.width}), {colours}, 0 to 255",
            OUTPUT: f"float32 (N, {plan.embedding_size}), unit length",
        },
    )
    onnx.checker.check_model(model)
    encoded: bytes = model.SerializeToString()
    return encoded
