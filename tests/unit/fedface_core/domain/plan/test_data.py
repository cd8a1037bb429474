"""Fields of the data that belong to some data sets only."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan import DataPlan, SplitPlan


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset": "folder"}, r"give `folder` \(a path\) with dataset 'folder'"),
        ({"dataset": "recordio"}, r"give `folder` \(a path\) with dataset 'folder' or 'recordio'"),
        ({"dataset": "orl", "folder": "/photographs"}, "and with no other data set"),
        ({"dataset": "orl", "skip_damaged": "damaged.csv"}, "leave `skip_damaged` out with 'orl'"),
        ({"dataset": "synthetic", "misalignment": 0.1}, "leave `misalignment` out with 'synthetic'"),
        (
            {"dataset": "recordio", "folder": "/casia", "labels": "/l.txt"},
            "`labels` is for dataset 'folder'; 'recordio' says",
        ),
        ({"dataset": "orl", "identities": 40}, "for dataset 'synthetic'; 'orl' has the people that it has"),
    ],
)
def test_a_field_of_another_data_set_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataPlan.model_validate(fields)


def test_a_plan_without_a_list_of_damaged_images_has_the_json_that_it_had_before() -> None:
    """Digests of plans name studies' results; they must not change with a version."""
    without = DataPlan(dataset="folder", folder="faces")
    assert "skip_damaged" not in without.model_dump()
    assert "skip_damaged" not in without.model_dump_json()
    listed = DataPlan(dataset="folder", folder="faces", skip_damaged="damaged.csv")
    assert DataPlan.model_validate_json(listed.model_dump_json()) == listed


def test_a_split_needs_the_identities_of_its_three_sets() -> None:
    assert SplitPlan(public=3, clients=4, test=5).identities == 12


def test_a_plan_without_labels_is_written_as_before_there_were_any() -> None:
    """Studies and checkpoints are known by the plan's JSON, and older services refuse fields that they do not know."""
    assert "labels" not in DataPlan(dataset="folder", folder="/faces").model_dump()
    assert "labels" not in DataPlan(dataset="folder", folder="/faces").model_dump_json()
    labelled = DataPlan(dataset="folder", folder="/faces", labels="/identity_CelebA.txt")
    assert DataPlan.model_validate_json(labelled.model_dump_json()) == labelled


def test_validation_people_are_none_or_enough_for_an_impostor_pair_and_older_plans_have_none() -> None:
    assert "validation" not in SplitPlan().model_dump(mode="json")
    assert SplitPlan.model_validate_json(SplitPlan(validation=2).model_dump_json()).validation == 2
    assert SplitPlan(public=1, clients=2, test=3, validation=4).identities == 10
    with pytest.raises(ValidationError, match="give 2 at least, or none"):
        SplitPlan(validation=1)


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"dataset": "orl"}, 10),
        ({"dataset": "orl", "images_per_client": 5000}, 10),
        ({"dataset": "orl", "images_per_identity": 6, "images_per_client": 8}, 6),
        ({"dataset": "synthetic"}, 12),
        ({"dataset": "synthetic", "images_per_client": 5000}, 12),
        ({"dataset": "synthetic", "images_per_identity": 40}, 40),
        ({"dataset": "folder", "folder": "faces"}, 10_000),
        ({"dataset": "folder", "folder": "faces", "images_per_client": 3}, 3),
    ],
)
def test_a_client_has_at_most_what_every_bound_allows(fields: dict[str, Any], most: int) -> None:
    assert DataPlan.model_validate(fields).most_images_of_a_client == most
