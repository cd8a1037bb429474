"""Published weights of other projects' networks: how to recognise them, and how they become weights of ours."""

from __future__ import annotations

from typing import Final, get_args

from fedface_core.domain.plan import ModelPlan
from fedface_core.domain.plan.model import Architecture
from fedface_learning.models.layouts.improved_resnets import adaface, face_evolve, insightface
from fedface_learning.models.layouts.inception_resnets import facenet_pytorch
from fedface_learning.models.layouts.layout import Layout
from fedface_learning.models.layouts.mobilefacenets import insightface_pytorch
from fedface_learning.models.layouts.spherenets import sphere20a


def _plans(prefix: str) -> list[ModelPlan]:
    """The published shapes of the architectures whose names begin so."""
    return [ModelPlan.model_validate({"architecture": each}) for each in get_args(Architecture) if each.startswith(prefix)]


LAYOUTS: Final[tuple[Layout, ...]] = (
    *map(insightface, _plans("iresnet-")),
    *map(face_evolve, _plans("ir-")),
    *map(adaface, _plans("adaface-")),
    *map(sphere20a, _plans("spherenet-20")),
    insightface_pytorch(
        ModelPlan.model_validate({"architecture": "mobilefacenet", "embedding_size": 512, "centring": True})
    ),
    *map(facenet_pytorch, _plans("inception-")),
)
"""Every layout that can be imported."""
