"""What a training round's partial refuses, and what comes back of it from its stored bytes."""

from __future__ import annotations

import io

import pytest
import torch

from fedface_core.domain.errors import DamagedObjectError
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation import StartingPoint, TrainingPartial
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
    partial.models.add({"weight": torch.ones(2)}, 3)
    again = stored_again(partial)
    assert again.uploaded.keys() == {"client-000001"}
    assert torch.equal(again.uploaded["client-000001"]["rows"], torch.eye(2))
    assert again.models.tensors().keys() == {"weight"}
    assert again.models.weight == 3


@pytest.mark.parametrize("metadata", [{}, {"weight": 1.0, "colour": "red"}], ids=["no weight", "unknown field"])
def test_an_object_that_is_no_partial_is_damaged(metadata: dict[str, object]) -> None:
    with pytest.raises(DamagedObjectError, match="not the metadata of a partial"):
        TrainingPartial.read(io.BytesIO(encode_tensors({"weight": torch.ones(2)}, metadata)))
