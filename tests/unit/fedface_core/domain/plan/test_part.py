"""What all parts of a plan have in common."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan.part import ByName, PlanPart


class Choice(PlanPart):
    """A choice with a parameter."""

    name: str
    rate: float = 0.5


class Part(PlanPart):
    """A part of a plan with a choice."""

    choice: Annotated[Choice, ByName]


def test_a_choice_may_be_given_by_its_name_alone() -> None:
    expected = Part(choice=Choice(name="sgd"))
    for given in ("sgd", {"name": "sgd"}, Choice(name="sgd")):
        assert Part.model_validate({"choice": given}) == expected


@pytest.mark.parametrize("given", [{"name": "sgd", "speed": 1}, {"name": "sgd", "rate": float("inf")}, 3])
def test_unknown_fields_and_infinite_numbers_are_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        Part.model_validate({"choice": given})


def test_a_part_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Choice(name="sgd").rate = 1.0  # type: ignore[misc]
