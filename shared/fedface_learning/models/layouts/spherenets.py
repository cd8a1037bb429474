"""The layout of sphere20a, the network of SphereFace in PyTorch.

Source: ``net_sphere.py`` and ``lfw_eval.py`` of clcarwin/sphereface_pytorch, which feeds it what OpenCV reads: BGR.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models.layouts.layout import InputConvention, Layout
from fedface_learning.models.layouts.naming import named_layout

_INPUT: Final = InputConvention("bgr", pixel_mean=127.5, pixel_scale=128.0)
_CONVOLUTIONS: Final = (3, 5, 9, 3)  # Of each stage.


def sphere20a(plan: ModelPlan) -> Layout:
    """sphere20a with the sizes of the plan, whose architecture is ``spherenet-20``."""
    return named_layout(
        "sphereface_pytorch's sphere20a", plan, _INPUT, _layers(), embedding_bias=True, unused=["fc6.weight"]
    )


def _layers() -> Iterator[str]:
    for stage, convolutions in enumerate(_CONVOLUTIONS, start=1):
        for number in range(1, convolutions + 1):
            yield f"conv{stage}_{number}"
            yield f"relu{stage}_{number}"
    yield "fc5"
