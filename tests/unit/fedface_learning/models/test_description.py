"""What a model file says about itself is read again, checked, and compared with what is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from fedface_learning.models.description import ModelDescription, description_in
from fedface_learning.models.weights import encode_described_network, encode_network, load_network
from support.small_networks import TINY

PLAN = ModelPlan.model_validate(TINY)
DESCRIPTION = ModelDescription(
    model=PLAN,
    layout="Somebody's network",
    source="a.pth",
    source_sha256="a" * 64,
    channel_order="bgr",
    pixel_mean=127.5,
    pixel_scale=127.5,
)


def test_a_described_model_is_the_model_and_its_description() -> None:
    network = initial_network(PLAN, 0)
    data = encode_described_network(network, DESCRIPTION)
    tensors, metadata = decode_tensors(data)
    assert description_in(metadata, "it") == DESCRIPTION
    assert tensors.keys() == network.state_dict().keys()
    assert encode_network(load_network(PLAN, data, "it")) == encode_network(network)  # a run's versions carry none


def test_models_of_runs_are_not_described() -> None:
    _, metadata = decode_tensors(encode_network(initial_network(PLAN, 0)))
    assert metadata == {}
    assert description_in(metadata, "it") is None


def test_a_contradiction_is_said_field_by_field() -> None:
    data = encode_described_network(initial_network(PLAN, 0), DESCRIPTION)
    other = PLAN.model_copy(update={"height": 48})
    with pytest.raises(
        InvalidInputError, match=r"^it has height 32, as it says itself \(Somebody's network\), not height 48$"
    ):
        load_network(other, data, "it")


@pytest.mark.parametrize(
    "given",
    ["text", {}, {"model": 1}, DESCRIPTION.model_dump(mode="json") | {"model": TINY | {"architecture": "resnet-9000"}}],
    ids=["text", "nothing", "no plan", "unknown"],
)
def test_what_cannot_be_understood_is_an_error(given: Any) -> None:
    with pytest.raises(InvalidInputError, match="it describes a network that this version does not know"):
        description_in({"imported": given}, "it")


def test_a_network_larger_than_memory_is_not_built() -> None:
    vast = PLAN.model_copy(update={"widths": (2**16, 2**16, 2**16, 2**16)})
    data = encode_described_network(initial_network(PLAN, 0), DESCRIPTION.model_copy(update={"model": vast}))
    with pytest.raises(InvalidInputError, match=r"it does not fit spherenet-4 as planned\. Tensors of the wrong shape"):
        load_network(vast, data, "it")
