"""The layout of MobileFaceNet as InsightFace_Pytorch publishes it.

Source: ``model.py`` and ``data/data_pipe.py`` of TreB1eN/InsightFace_Pytorch. It is fed BGR: its training images are what
MXNet reads (BGR), and its validation images are turned into BGR.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.layouts.layout import InputConvention, Layout
from fedface_learning.models.layouts.naming import FeatureNorm, named_layout

_INPUT: Final = InputConvention("bgr", pixel_mean=127.5, pixel_scale=127.5)
_EPSILON: Final = 1e-5


def insightface_pytorch(plan: ModelPlan) -> Layout:
    """InsightFace_Pytorch's MobileFaceNet with the sizes of the plan, whose architecture is ``mobilefacenet``.

    Its last BatchNorm becomes a part of the embedding layer and of the centre. A run with centring makes a new centre of its
    clients; one without keeps this one.
    """
    return named_layout(
        "InsightFace_Pytorch's MobileFaceNet",
        plan,
        _INPUT,
        _layers(),
        feature_norm=FeatureNorm("bn", _EPSILON),
        embedding_bias=False,
    )


def _layers() -> Iterator[str]:
    yield from _unit("conv1")
    yield from _unit("conv2_dw")
    yield from _bottleneck("conv_23")
    for opening, rest, repeats in (("conv_34", "conv_3", 4), ("conv_45", "conv_4", 6), (None, "conv_5", 2)):
        for number in range(repeats):
            yield from _bottleneck(f"{rest}.model.{number}")
        if opening:
            yield from _bottleneck(opening)
    yield from _unit("conv_6_sep")
    yield from ("conv_6_dw.conv", "conv_6_dw.bn", "linear")


def _bottleneck(name: str) -> Iterator[str]:
    yield from _unit(f"{name}.conv")
    yield from _unit(f"{name}.conv_dw")
    yield from (f"{name}.project.conv", f"{name}.project.bn")


def _unit(name: str) -> Iterator[str]:
    yield from (f"{name}.conv", f"{name}.bn", f"{name}.prelu")
