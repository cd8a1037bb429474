"""The device profiles of a plan, and what a plan must not say of devices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.devices import PROFILES, DevicePlan

OPERATIONS = Path(__file__).parents[5] / "docs/operations.md"


def test_the_default_is_the_ideal_profile_which_simulates_nothing() -> None:
    assert Plan().devices == DevicePlan() == DevicePlan(profile="ideal")
    assert not DevicePlan().simulated
    assert DevicePlan(profile="phones").simulated
    assert DevicePlan(dropout=0.1).simulated


def test_a_plan_stored_before_there_were_devices_has_ideal_ones() -> None:
    assert Plan.model_validate(Plan().model_dump(exclude={"devices"})) == Plan()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_names_defaults_that_given_fields_override(profile: str) -> None:
    devices = DevicePlan.model_validate({"profile": profile, "dropout": 0.5})
    assert devices.model_dump(exclude_defaults=True, exclude={"profile"}) == PROFILES[profile] | {"dropout": 0.5}
    assert DevicePlan.model_validate_json(devices.model_dump_json()) == devices


def test_the_documented_numbers_are_the_profiles() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", OPERATIONS.read_text(), re.MULTILINE)
    documented = {
        profile: {row[0]: float(row[column]) for row in rows}
        for column, profile in enumerate(("ideal", "phones", "flaky"), 1)
    }
    assert documented.keys() == PROFILES.keys()
    for profile, numbers in documented.items():
        assert DevicePlan.model_validate({"profile": profile}).model_dump(exclude={"profile", "trace"}) == numbers


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profile", "laptops"),
        ("profile", ["phones"]),
        ("mean_seconds", 301),
        ("mean_seconds", float("nan")),
        ("speed_spread", -0.1),
        ("dropout", 1.1),
        ("available_fraction", 0),
        ("availability_period_seconds", 0),
        ("upload_failure", -1),
        ("upload_attempts", 0),
        ("upload_attempts", 11),
        ("lateness", 2),
        ("lateness_seconds", 1e9),
        ("trace", "trace.csv"),
        ("trace.0.client", "client-3"),
        ("trace.0.round", -1),
        ("trace.0.seconds", 301),
        ("trace.0.upload_failures", 11),
        ("trace.0.late_seconds", -1),
        ("trace.0.speed", 1),
        ("battery", 1),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(field: str, value: object) -> None:
    name = field.removeprefix("trace.0.")
    given = {"trace": [{"client": "client-000001"} | {name: value}]} if name != field else {name: value}
    with pytest.raises(ValidationError) as refused:
        Plan.model_validate({"devices": given})
    assert [".".join(map(str, error["loc"])) for error in refused.value.errors()] == [f"devices.{field}"]


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ({"mean_seconds": 200, "lateness_seconds": 101}, "make 301 together; a device may wait 300 seconds at most"),
        ({"trace": [{"client": "client-000001", "round": 2}] * 3}, "3 entries of client-000001 for round 2"),
        ({"trace": [{"client": "client-000001"}] * 2}, "2 entries of client-000001 without a round"),
        ({"trace": [{"client": "client-000020"}]}, "names client-000020, but split.clients is only 20"),
        ({"trace": [{"client": "client-000001", "round": number} for number in range(10_001)]}, "at most 10000 items"),
    ],
)
def test_what_cannot_go_together_is_said(devices: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Plan.model_validate({"devices": devices})
