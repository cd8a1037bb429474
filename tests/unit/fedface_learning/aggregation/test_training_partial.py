"""What a training round's partial refuses, and what comes back of it from its stored bytes."""

from __future__ import annotations

import io

import pytest
import torch

from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation import StartingPoint, TrainingPartial
from fedface_learning.aggregation.exact_sum import SUM
from fedface_learning.aggregation.training_partial import weighted_loss
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.stored_tensors import StoredTensors
from support.server_rounds import stored_again
from support.small_networks import small_plan


def refuse_to_open() -> StoredTensors:
    raise AssertionError("the model was opened")


@pytest.mark.parametrize("started_from", [None, "b" * 64])
def test_an_update_of_another_model_is_refused_by_what_the_ledger_records(started_from: str | None) -> None:
    accepted = AcceptedUpdate(sha256="c" * 64, size=100, images=1, started_from=started_from)
    start = StartingPoint(small_plan(), "a" * 64, refuse_to_open)
    partial = TrainingPartial()
    assert not partial.admits("client-000003", accepted, start)
    assert partial.refused == {"client-000003": "wrong_model"}
    right = AcceptedUpdate(sha256="c" * 64, size=100, images=1, loss_before=1, loss_after=0, started_from="a" * 64)
    assert partial.admits("client-000004", right, start)
    assert partial.refused.keys() == {"client-000003"}


def test_tensors_beside_the_model_come_back_by_client_and_name() -> None:
    partial = TrainingPartial(images=3, folded=1, uploaded={"client-000001": {"rows": torch.eye(2)}})
    partial.changes.add({"weight": torch.ones(2)}, {"weight": torch.zeros(2)}, 3, 40)
    again = stored_again(partial)
    assert again.uploaded.keys() == {"client-000001"}
    assert torch.equal(again.uploaded["client-000001"]["rows"], torch.eye(2))
    merged = TrainingPartial()
    merged.merge(again)
    assert merged.changes.tensors()[SUM].tolist() == [3 * 2**40, 3 * 2**40]
    assert merged.changes.fraction_bits == 40


@pytest.mark.parametrize("metadata", [{}, {"fraction_bits": 40, "colour": "red"}], ids=["no fraction bits", "unknown field"])
def test_an_object_that_is_no_partial_is_damaged(metadata: dict[str, object]) -> None:
    tensors = {SUM: torch.ones(2, dtype=torch.int64)}
    with pytest.raises(DamagedObjectError, match="not the metadata of a partial"):
        TrainingPartial.read(io.BytesIO(encode_tensors(tensors, {"schema_version": 2} | metadata)))


@pytest.mark.parametrize(("metadata", "version"), [({"weight": 3.0}, "1"), ({"schema_version": 3}, "3")])
def test_a_partial_of_another_version_is_named_as_such(metadata: dict[str, object], version: str) -> None:
    """Sums of models in float64, as before partials said their version, must not be taken for sums of changes."""
    data = encode_tensors({"weight": torch.ones(2, dtype=torch.float64)}, {"images": 3, "folded": 1} | metadata)
    with pytest.raises(
        UnknownSchemaError, match=f"schema version {version} of a partial is not known here: this FedFace reads version 2"
    ):
        TrainingPartial.read(io.BytesIO(data))


def test_losses_are_summed_as_whole_numbers() -> None:
    assert weighted_loss(3, 0.5) == 3 * 2**39
    assert weighted_loss(1, 1e9) + weighted_loss(1, 2.0**-40) == 10**9 * 2**40 + 1, "float64 would have lost the small one"
