"""The layout of Inception-ResNet-v1 as facenet-pytorch publishes it.

Source: ``models/inception_resnet_v1.py`` of timesler/facenet-pytorch, whose images are standardised as (x − 127.5) / 128.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.inception_resnet import BATCH_NORM_EPSILON
from fedface_learning.models.layouts.layout import InputConvention, Layout
from fedface_learning.models.layouts.naming import FeatureNorm, named_layout

_INPUT: Final = InputConvention("rgb", pixel_mean=127.5, pixel_scale=128.0)
_STEM: Final = ("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a", "conv2d_4b")


def facenet_pytorch(plan: ModelPlan) -> Layout:
    """facenet-pytorch's network with the sizes of the plan, whose architecture is ``inception-resnet-v1``."""
    return named_layout(
        "facenet-pytorch's InceptionResnetV1",
        plan,
        _INPUT,
        _layers(),
        feature_norm=FeatureNorm("last_bn", BATCH_NORM_EPSILON),
        embedding_bias=False,
        unused=["logits.weight", "logits.bias"],
    )


def _layers() -> Iterator[str]:
    for unit in _STEM:
        yield from _unit(unit)
    for number in range(5):
        yield from _block(f"repeat_1.{number}", 1, 2, 3)
    yield from _branches("mixed_6a", 1, 3)
    for number in range(10):
        yield from _block(f"repeat_2.{number}", 1, 3)
    yield from _branches("mixed_7a", 2, 2, 3)
    for number in range(5):
        yield from _block(f"repeat_3.{number}", 1, 3)
    yield from _block("block8", 1, 3)
    yield "last_linear"


def _block(name: str, *units: int) -> Iterator[str]:
    yield from _branches(name, *units)
    yield f"{name}.conv2d"


def _branches(name: str, *units: int) -> Iterator[str]:
    """Branches of so many units each. A single unit has no number."""
    for branch, count in enumerate(units):
        if count == 1:
            yield from _unit(f"{name}.branch{branch}")
        else:
            for number in range(count):
                yield from _unit(f"{name}.branch{branch}.{number}")


def _unit(name: str) -> Iterator[str]:
    yield from (f"{name}.conv", f"{name}.bn")
