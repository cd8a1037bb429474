"""Enrolment's partial: what it refuses to read, and the class embeddings that it makes."""

from __future__ import annotations

import io

import pytest
import torch

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.aggregation import EnrolmentPartial
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import initial_network
from support.server_rounds import server_round
from support.small_networks import small_plan


@pytest.mark.parametrize("initialisation", ["mean-feature", "random"])
def test_who_is_not_enrolled_has_a_zero_row(initialisation: str) -> None:
    plan = small_plan(initialisation=initialisation)
    means = {"client-000001": 2 * torch.eye(4)[0], "client-000004": 3 * torch.eye(4)[1]}
    partial = EnrolmentPartial(means, {"client-000001": 5, "client-000004": 7})
    averaged = partial.average(server_round(plan, initial_network(plan.model, 0)))
    lengths = averaged.server_round.class_embeddings_CD.norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([0.0, 1.0, 0.0, 0.0, 1.0, 0.0]))
    assert averaged.images == 12


def test_merging_adds_clients_refusals_and_bytes() -> None:
    first = EnrolmentPartial({"client-000001": torch.zeros(4)}, {"client-000001": 5}, {"client-000000": "changed"}, size=100)
    second = EnrolmentPartial(
        {"client-000003": torch.ones(4)}, {"client-000003": 2}, {"client-000002": "malformed"}, size=50
    )
    first.merge(second)
    assert (first.folded, first.size) == (2, 150)
    assert first.images == {"client-000001": 5, "client-000003": 2}
    assert first.refused == {"client-000000": "changed", "client-000002": "malformed"}


def test_an_object_without_a_partials_metadata_is_damaged() -> None:
    with pytest.raises(DamagedObjectError, match="not the metadata of a partial"):
        EnrolmentPartial.read(io.BytesIO(encode_tensors({"client-000001": torch.zeros(4)}, {"images": {}})))
