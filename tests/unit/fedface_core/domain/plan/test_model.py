"""The shape of a model: published by default, kept if given, refused if the architecture does not have it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan import ModelPlan

PUBLISHED = {
    "spherenet-64": (112, 96, 3, 512, (64, 128, 256, 512), "random", False),
    "spherenet-4": (112, 96, 3, 512, (64, 128, 256, 512), "random", False),
    "mobilefacenet": (112, 112, 3, 128, (64, 128, 128), "random", False),
    "iresnet-100": (112, 112, 3, 512, (64, 128, 256, 512), "random", False),
    "ir-se-50": (112, 112, 3, 512, (64, 128, 256, 512), "random", False),
    "adaface-ir-18": (112, 112, 3, 512, (64, 128, 256, 512), "random", False),
    "inception-resnet-v1": (160, 160, 3, 512, (32,), "random", False),
    "dlib-resnet": (150, 150, 3, 128, (32, 64, 128, 256), "published", True),
}


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_an_architecture_that_is_only_named_has_its_published_shape(architecture: str) -> None:
    model = ModelPlan.model_validate({"architecture": architecture})
    shape = (model.height, model.width, model.channels, model.embedding_size, model.widths)
    assert (*shape, model.weights, model.centring) == PUBLISHED[architecture]


def test_a_shape_that_is_given_is_kept() -> None:
    given_model = {"architecture": "spherenet-10", "height": 32, "channels": 1, "widths": [1, 2, 3, 4], "centring": True}
    model = ModelPlan.model_validate(given_model)
    assert (model.height, model.width, model.channels, model.widths) == (32, 96, 1, (1, 2, 3, 4))
    assert model.centring


def test_an_unknown_architecture_is_the_one_error() -> None:
    with pytest.raises(ValidationError) as refused:
        ModelPlan.model_validate({"architecture": "resnet-50"})
    (error,) = refused.value.errors()
    assert error["loc"] == ("architecture",)


def test_the_wrong_one_of_several_widths_is_named() -> None:
    with pytest.raises(ValidationError) as refused:
        ModelPlan.model_validate({"architecture": "spherenet-4", "widths": [8, 8, 0, 8]})
    (error,) = refused.value.errors()
    assert error["loc"] == ("widths", 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"height": 112}, "dlib-resnet is fixed at .*; leave out height"),
        ({"widths": [1], "channels": 1}, "leave out channels, widths"),
        ({"architecture": "spherenet-20", "widths": [8, 8]}, "widths needs four numbers, not 2"),
        ({"architecture": "mobilefacenet", "widths": [8, 8]}, "takes three widths, not 2"),
        (
            {"architecture": "spherenet-20", "weights": "published"},
            "only dlib-resnet has published weights; use 'random' or the SHA-256",
        ),
        (
            {"architecture": "mobilefacenet", "height": 100},
            "mobilefacenet halves images four times, so 16 must divide 100×112",
        ),
        ({"architecture": "iresnet-50", "widths": [8]}, "iresnet-50 has four stages, so widths needs four numbers, not 1"),
        ({"architecture": "adaface-ir-50", "widths": [8]}, "adaface-ir-50 has four stages"),
        ({"architecture": "ir-se-50", "widths": [16, 16, 8, 16]}, "ir-se-50 takes widths of 16 or more, not 8"),
        ({"architecture": "iresnet-18", "widths": [8, 8, 8, 12]}, r"takes widths that 8 divides, not \[8, 8, 8, 12\]"),
        ({"architecture": "inception-resnet-v1", "widths": [2, 2]}, r"takes one width that 16 divides, not \[2, 2\]"),
        ({"architecture": "inception-resnet-v1", "widths": [24]}, r"takes one width that 16 divides, not \[24\]"),
        ({"architecture": "inception-resnet-v1", "width": 74}, "takes images from 75×75 pixels on, not 160×74"),
    ],
)
def test_a_shape_that_the_architecture_does_not_have_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelPlan.model_validate(fields)


@pytest.mark.parametrize(("weights", "stored"), [("random", None), ("published", None), ("a" * 64, "a" * 64)])
def test_only_a_model_in_the_store_is_named_by_its_sha256(weights: str, stored: str | None) -> None:
    assert ModelPlan.model_validate({"weights": weights}).stored_weights == stored
