"""The initial model version: stored weights, weights that cannot be used, and repeated messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import PrepareModel
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.run import RunPhase
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.tiny_run import tiny_plan


def test_a_run_starts_from_a_stored_model(faces: Path) -> None:
    random = tiny_plan(faces)
    network = initial_network(random.model, seed=77)
    data = encode_network(network)
    plan = tiny_plan(faces, model={"weights": sha256_hex(data)})
    services = InProcess(plan)
    services.ports.artifacts.put(object_keys.model(sha256_hex(data)), data)
    run = services.run()
    assert services.ports.ledger.load_round(run.id, 0).model_sha256 == sha256_hex(data)
    assert run.model_sha256 == simulate(plan, initial=network).model_sha256 != simulate(random).model_sha256


def test_weights_that_do_not_fit_end_the_run_and_name_the_tensors(faces: Path) -> None:
    wider = tiny_plan(faces, model={"widths": [2, 2, 2, 5]})
    data = encode_network(initial_network(wider.model, seed=0))
    sha256 = sha256_hex(data)
    services = InProcess(tiny_plan(faces, model={"weights": sha256}))
    services.ports.artifacts.put(object_keys.model(sha256), data)
    run = services.run()
    assert (run.phase, run.round) == (RunPhase.FAILED, None)
    assert run.failure is not None
    assert run.failure.startswith(f"model.weights: the stored model {sha256} does not fit spherenet-4 as planned")
    assert "embedding.weight: (4, 5), must be (4, 4)" in run.failure


def test_weights_that_nobody_uploaded_end_the_run(faces: Path) -> None:
    run = InProcess(tiny_plan(faces, model={"weights": "0" * 64})).run()
    assert run.phase is RunPhase.FAILED
    assert run.failure == f"model.weights: there is no artifact models/{'0' * 64}.safetensors"


def test_a_model_prepared_twice_is_the_same_object(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    for _ in range(2):
        services.deliver_now(PrepareModel(run_id=run_id))
    assert len(services.ports.artifacts.keys("models/")) == 1
    run = services.to_end(run_id)
    assert run.model_sha256 == simulate(services.plan).model_sha256


def test_published_weights_that_are_not_installed_end_the_run(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(*_: object) -> None:
        raise InvalidInputError("the published weights are not installed; install them")

    monkeypatch.setattr("fedface_aggregator.prepare.initial_network", not_installed)
    run = InProcess(tiny_plan(faces)).run()
    assert run.failure == "model.weights: the published weights are not installed; install them"
