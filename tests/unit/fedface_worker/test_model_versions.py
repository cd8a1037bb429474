"""How often a process fetches a model version, and what its network and its trainer then are."""

from __future__ import annotations

import pytest
import torch

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import InvalidInputError
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from fedface_worker.model_versions import ModelVersions
from support.small_networks import small_plan

MODEL = small_plan().model


@pytest.fixture
def artifacts() -> MemoryArtifacts:
    return MemoryArtifacts()


@pytest.fixture
def fetched(artifacts: MemoryArtifacts, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The key of each read."""
    keys: list[str] = []
    read_into = artifacts.read_into

    def recorded(key: str, start: int, buffer: bytearray | memoryview) -> int:
        keys.append(key)
        return read_into(key, start, buffer)

    monkeypatch.setattr(artifacts, "read_into", recorded)
    return keys


def put(artifacts: MemoryArtifacts, seed: int) -> str:
    data = encode_network(initial_network(MODEL, seed))
    artifacts.put(object_keys.model(sha256_hex(data)), data)
    return sha256_hex(data)


def test_a_model_version_is_fetched_once_for_network_and_trainer(artifacts: MemoryArtifacts, fetched: list[str]) -> None:
    sha256 = put(artifacts, 0)
    models = ModelVersions(artifacts)
    network = models.network(MODEL, sha256)
    trainer = models.trainer(MODEL, sha256)
    assert models.reference(sha256) is models.reference(sha256)
    assert fetched == [object_keys.model(sha256)]
    assert network is not trainer.network
    assert sha256_hex(encode_network(network)) == sha256_hex(encode_network(trainer.network)) == sha256


def test_a_changed_network_is_set_back_and_a_newer_version_replaces_it(artifacts: MemoryArtifacts) -> None:
    first = put(artifacts, 0)
    second = put(artifacts, 1)
    models = ModelVersions(artifacts)
    network = models.network(MODEL, first)
    with torch.no_grad():
        next(network.parameters()).add_(1)
    assert models.network(MODEL, first) is network
    assert sha256_hex(encode_network(network)) == first
    trainer = models.trainer(MODEL, first)
    assert models.trainer(MODEL, second) is trainer
    assert sha256_hex(encode_network(trainer.reset())) == second
    models.forget_network()
    assert models.network(MODEL, first) is not network


def test_an_anchor_is_fetched_once_and_learns_nothing_while_models_come_and_go(
    artifacts: MemoryArtifacts, fetched: list[str]
) -> None:
    first = put(artifacts, 0)
    second = put(artifacts, 1)
    models = ModelVersions(artifacts)
    assert models.anchor(MODEL, None) is None
    anchor = models.anchor(MODEL, first)
    assert anchor is not None
    assert not any(parameter.requires_grad for parameter in anchor.parameters())
    models.trainer(MODEL, second)
    assert models.anchor(MODEL, first) is anchor
    assert sha256_hex(encode_network(anchor)) == first
    assert fetched == [object_keys.model(first), object_keys.model(second)]
    other = models.anchor(MODEL, second)
    assert other is not None
    assert sha256_hex(encode_network(other)) == second
    assert len(fetched) == 2, "the model of the first training round is its anchor"


def test_an_anchor_that_does_not_fit_the_plan_is_refused(artifacts: MemoryArtifacts) -> None:
    data = encode_network(initial_network(MODEL.model_copy(update={"embedding_size": MODEL.embedding_size + 1}), 0))
    artifacts.put(object_keys.model(sha256_hex(data)), data)
    with pytest.raises(InvalidInputError, match=object_keys.model(sha256_hex(data))):
        ModelVersions(artifacts).anchor(MODEL, sha256_hex(data))
    models = ModelVersions(artifacts)
    first = put(artifacts, 0)
    models.anchor(MODEL, first)
    with pytest.raises(InvalidInputError, match=object_keys.model(first)):
        models.anchor(MODEL.model_copy(update={"embedding_size": MODEL.embedding_size + 1}), first)
