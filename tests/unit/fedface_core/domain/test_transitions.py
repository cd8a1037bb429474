"""A transition leads from its sources to its targets, and a changed record is validated."""

from __future__ import annotations

from enum import StrEnum

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedface_core.domain.transitions import Transition, replaced


class Light(StrEnum):
    """The phases of a traffic light."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"


class Record(BaseModel):
    """A record with two fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    light: Light = Light.RED
    cars: int = Field(default=0, ge=0)


GO = Transition.between({Light.RED, Light.AMBER}, Light.GREEN)


@pytest.mark.parametrize("source", [Light.RED, Light.AMBER])
def test_a_transition_leads_from_each_source_to_its_target(source: Light) -> None:
    GO.require(source, Light.GREEN)


def test_another_source_or_target_is_named_with_what_would_be_right() -> None:
    with pytest.raises(AssertionError, match="no such move from green: it takes amber, red"):
        GO.require(Light.GREEN, Light.GREEN)
    with pytest.raises(AssertionError, match="no such move to amber: it leads to green"):
        GO.require(Light.RED, Light.AMBER)


def test_a_changed_record_keeps_its_other_fields_and_leaves_the_old_record() -> None:
    record = Record(cars=3)
    assert replaced(record, {"light": "green"}) == Record(light=Light.GREEN, cars=3)
    assert record == Record(cars=3)


@pytest.mark.parametrize("changes", [{"cars": -1}, {"light": "blue"}, {"lorries": 1}])
def test_a_wrong_name_or_value_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        replaced(Record(), changes)
