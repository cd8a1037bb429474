"""The layouts of improved residual networks: those of InsightFace, face.evoLVe and AdaFace.

Sources: ``recognition/arcface_torch/backbones/iresnet.py`` of deepinsight/insightface, ``backbone/model_irse.py`` of
ZhaoJ9014/face.evoLVe, ``net.py`` and ``inference.py`` of mk-minchul/AdaFace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fedface_core.domain.network_size import improved_blocks
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.layouts.layout import InputConvention, Layout
from fedface_learning.models.layouts.naming import FeatureNorm, named_layout

RGB: Final = InputConvention("rgb", pixel_mean=127.5, pixel_scale=127.5)
BGR: Final = InputConvention("bgr", pixel_mean=127.5, pixel_scale=127.5)
_EPSILON: Final = 1e-5


def insightface(plan: ModelPlan) -> Layout:
    """InsightFace's network of the plan, whose architecture is an ``iresnet``."""
    return named_layout(
        f"InsightFace's {plan.architecture}",
        plan,
        RGB,
        _insightface_layers(plan),
        feature_norm=FeatureNorm("features", _EPSILON),
        embedding_bias=True,
    )


def face_evolve(plan: ModelPlan) -> Layout:
    """face.evoLVe's network of the plan, whose architecture is an ``ir``.

    InsightFace_Pytorch's networks have the same tensors, and are fed BGR.
    """
    return named_layout(
        f"face.evoLVe's {plan.architecture}",
        plan,
        RGB,
        _body_layers(plan, "res_layer.5"),
        feature_norm=FeatureNorm("output_layer.4", _EPSILON),
        embedding_bias=True,
    )


def adaface(plan: ModelPlan) -> Layout:
    """AdaFace's network of the plan, whose architecture is an ``adaface-ir``."""
    return named_layout(
        f"AdaFace's {plan.architecture.removeprefix('adaface-')}",
        plan,
        BGR,
        _body_layers(plan, "res_layer.se_block"),
        feature_norm=FeatureNorm("output_layer.4", _EPSILON, affine=False),
        embedding_bias=True,
    )


def _insightface_layers(plan: ModelPlan) -> Iterator[str]:
    yield from ("conv1", "bn1", "prelu")
    for stage, blocks in enumerate(improved_blocks(plan), start=1):
        for block in range(blocks):
            for layer in ("bn1", "conv1", "bn2", "prelu", "conv2", "bn3"):
                yield f"layer{stage}.{block}.{layer}"
            if block == 0:
                yield f"layer{stage}.{block}.downsample.0"
                yield f"layer{stage}.{block}.downsample.1"
    yield from ("bn2", "fc")


def _body_layers(plan: ModelPlan, squeeze: str) -> Iterator[str]:
    """The layers of face.evoLVe's and AdaFace's networks, which count all blocks through."""
    layers_of_a_block = 5 if plan.architecture.startswith("ir-") else 6
    yield from ("input_layer.0", "input_layer.1", "input_layer.2")
    inputs = plan.widths[0]
    number = 0
    for outputs, blocks in zip(plan.widths, improved_blocks(plan), strict=True):
        for _ in range(blocks):
            for layer in range(layers_of_a_block):
                yield f"body.{number}.res_layer.{layer}"
            if "-se-" in plan.architecture:
                yield f"body.{number}.{squeeze}.fc1"
                yield f"body.{number}.{squeeze}.fc2"
            if inputs != outputs:
                yield f"body.{number}.shortcut_layer.0"
                yield f"body.{number}.shortcut_layer.1"
            inputs = outputs
            number += 1
    yield from ("output_layer.0", "output_layer.3")
