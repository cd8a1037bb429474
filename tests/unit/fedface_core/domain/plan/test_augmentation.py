"""The augmentation of a plan: its names, what beside it contradicts it, and that older plans are as they were."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fedface_core.domain.plan.augmentation import StrongAugmentationPlan
from fedface_core.domain.plan.local_training import LocalTrainingPlan
from fedface_core.domain.plan.strategy import CentralisedPlan
from fedface_learning.pretraining import PretrainPlan

PARTS: list[tuple[type[LocalTrainingPlan] | type[PretrainPlan] | type[CentralisedPlan], dict[str, Any], bool]] = [
    (LocalTrainingPlan, {}, False),
    (PretrainPlan, {}, True),
    (CentralisedPlan, {"name": "centralised"}, True),
]


@pytest.mark.parametrize(("part", "fields", "flips"), PARTS)
def test_by_default_flip_and_shift_say_all_and_the_json_is_as_before(part: Any, fields: Any, flips: bool) -> None:
    plan = part.model_validate(fields | {"shift": 2})
    assert plan.augmentation.name == "plain"
    assert plan.augmentations == StrongAugmentationPlan.only(flip=flips, shift=2)
    assert "augmentation" not in plan.model_dump(mode="json")
    assert part.model_validate(fields | {"shift": 0, "flip": False}).augmentations.is_none


@pytest.mark.parametrize(("part", "fields", "_flips"), PARTS)
def test_strong_is_a_name_or_a_name_with_parameters(part: Any, fields: Any, _flips: bool) -> None:
    plan = part.model_validate(fields | {"augmentation": "strong"})
    assert plan.augmentations == StrongAugmentationPlan(name="strong")
    assert not plan.augmentations.is_none
    changed = part.model_validate(fields | {"augmentation": {"name": "strong", "blur": 2, "shift": 0}})
    assert (changed.augmentations.blur, changed.augmentations.shift, changed.augmentations.contrast) == (2, 0, 0.3)
    for each in (plan, changed):
        assert part.model_validate_json(each.model_dump_json()) == each


@pytest.mark.parametrize(("part", "fields", "flips"), PARTS)
def test_flip_and_shift_are_set_in_one_place(part: Any, fields: Any, flips: bool) -> None:
    for beside, field in (({"shift": 1}, "shift"), ({"flip": not flips}, "flip")):
        with pytest.raises(ValidationError, match=f"leave it out, and set augmentation.{field}"):
            part.model_validate(fields | {"augmentation": "strong"} | beside)


@pytest.mark.parametrize(
    ("wrong", "bound"),
    [
        ({"contrast": 1.0}, "less than 1"),
        ({"brightness": -0.1}, "greater than or equal to 0"),
        ({"gamma": 1.5}, "less than 1"),
        ({"reduction": 0}, "greater than or equal to 1"),
        ({"reduction": 17}, "less than or equal to 16"),
        ({"blur": 17}, "less than or equal to 16"),
        ({"erased": 1.1}, "less than or equal to 1"),
        ({"erased_side": 0.6}, r"less than or equal to 0\.5"),
        ({"erased_side": 0.0}, "greater than 0"),
        ({"shift": -1}, "greater than or equal to 0"),
    ],
)
def test_each_field_is_bounded(wrong: dict[str, float], bound: str) -> None:
    with pytest.raises(ValidationError, match=bound):
        LocalTrainingPlan.model_validate({"augmentation": {"name": "strong"} | wrong})


def test_every_field_says_what_it_is_for() -> None:
    kinds: list[type[BaseModel]] = [StrongAugmentationPlan]
    assert all(field.description for kind in kinds for field in kind.model_fields.values())
