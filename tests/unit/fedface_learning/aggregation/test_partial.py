"""What updates of a round are compared with."""

from __future__ import annotations

import io

from fedface_learning.aggregation import StartingPoint
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from fedface_learning.strategies.fedaws import CLASS_EMBEDDING
from support.small_networks import small_plan


def test_the_form_of_updates_opens_the_model_once_and_has_the_strategys_tensors() -> None:
    plan = small_plan(strategy="fedaws")
    network = initial_network(plan.model, 0)
    opened: list[StoredTensors] = []

    def open_model() -> StoredTensors:
        opened.append(StoredTensors(io.BytesIO(encode_network(network))))
        return opened[-1]

    start = StartingPoint(plan, "a" * 64, open_model)
    assert opened == []
    assert start.trained_form is start.trained_form
    assert len(opened) == 1
    assert start.trained_form.expected.keys() == network.state_dict().keys() | {CLASS_EMBEDDING}
    assert start.trained_form.expected[CLASS_EMBEDDING].shape == (4,)
