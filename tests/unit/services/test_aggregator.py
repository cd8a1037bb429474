"""What the aggregator does with weights, with stray and repeated messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_control.operate.run import create_run, delete_run, start_run
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import FoldShard, HandleFact, PrepareModel, ReduceRound
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.facts import RoundAggregated
from fedface_core.domain.round import RoundPhase
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


def test_a_damaged_model_version_is_not_computed_with(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    run = services.until(run_id, lambda run: run.round == 0)
    assert run.model_sha256 is not None
    services.ports.artifacts.put(object_keys.model(run.model_sha256), b"damaged")
    services.restart_services()  # or they would have it in memory
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    reasons = services.ports.ledger.failed(run_id, 0).values()
    assert all("it was damaged" in reason for reason in reasons)


def test_a_damaged_model_version_is_no_reference_for_updates(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    services.until(run_id, lambda _: any(type(command) is FoldShard for command in services.publisher.commands))
    key = object_keys.model(services.ports.ledger.load_round(run_id, 1).model_sha256)
    services.ports.artifacts.put(key, b"damaged")
    services.restart_services()  # or they would have it in memory
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert (run.failure or "").startswith(f"round 1: its updates cannot be summed: the object {key} has the SHA-256 ")


def test_workers_do_not_take_a_run_for_a_deleted_one_of_the_same_key(faces: Path) -> None:
    """Its id is the same, its plan is not, and no worker was started anew in between."""
    first, second = tiny_plan(faces), tiny_plan(faces, local_training={"learning_rate": 0.01}, cohort={"size": 3})
    services = InProcess(first)
    for plan in (first, second):
        run_id = create_run(services.ports, plan, "the key").id
        start_run(services.ports, run_id)
        run = services.to_end(run_id)
        assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)
        delete_run(services.ports, run_id, run_id)
        services.sweep_after(1)
        assert services.ports.ledger.runs() == []


def test_a_stray_message_does_not_fold_a_shard_that_somebody_is_still_to_join(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    services.deliver(FoldShard(run_id=run_id, round=0, shard=0), "stray")
    assert services.ports.artifacts.keys(f"runs/{run_id}/rounds/0/partials/") == []
    assert services.ports.ledger.tally(run_id, 0).folded_shards == frozenset()


def test_a_shard_is_folded_before_the_round_closes(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    ledger = services.ports.ledger
    services.until(run_id, lambda run: run.round == 0 and bool(ledger.tally(run_id, 0).folded_shards))
    assert ledger.load_round(run_id, 0).phase is RoundPhase.OPEN


@pytest.mark.parametrize("damage", [b"", b"damaged", "cut"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_partial_is_folded_again(faces: Path, number: int, damage: bytes | str) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    reduce = ReduceRound(run_id=run_id, round=number)
    services.until(run_id, lambda _: reduce in services.publisher.commands)
    artifacts = services.ports.artifacts
    for key in artifacts.keys(f"runs/{run_id}/rounds/{number}/partials/"):
        artifacts.put(key, damage if isinstance(damage, bytes) else artifacts.get(key)[:-1])
    run = services.to_end(run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(services.plan).model_sha256)


@pytest.mark.parametrize("repeat", [FoldShard, ReduceRound])
def test_messages_about_a_finished_round_do_nothing(faces: Path, repeat: type[FoldShard] | type[ReduceRound]) -> None:
    services = InProcess(tiny_plan(faces))
    run = services.run()
    effects = len(services.lifeline.effects)
    command = FoldShard(run_id=run.id, round=1, shard=0) if repeat is FoldShard else ReduceRound(run_id=run.id, round=1)
    services.deliver(command, "late")
    assert services.lifeline.effects[effects:] == []


def test_a_round_reduced_twice_is_reported_twice_and_computed_once(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    ledger = services.ports.ledger
    services.until(run_id, lambda run: any(type(command) is ReduceRound for command in services.publisher.commands))
    services.publisher.published.clear()
    assert ledger.load_round(run_id, 0).phase is RoundPhase.AGGREGATING
    for _ in range(2):
        effects = len(services.lifeline.effects)
        services.deliver(ReduceRound(run_id=run_id, round=0), "again")
    assert services.lifeline.effects[effects:] == ["publish HandleFact"]
    first, second = services.publisher.commands
    assert first == second
    assert isinstance(first, HandleFact)
    assert isinstance(first.fact, RoundAggregated)


def test_a_model_prepared_twice_is_the_same_object(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    for _ in range(2):
        services.deliver(PrepareModel(run_id=run_id), "again")
    assert len(services.ports.artifacts.keys("models/")) == 1
    run = services.to_end(run_id)
    assert run.model_sha256 == simulate(services.plan).model_sha256


def test_published_weights_that_are_not_installed_end_the_run(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(*_: object) -> None:
        raise InvalidInputError("the published weights are not installed; install them")

    monkeypatch.setattr("fedface_aggregator.prepare.initial_network", not_installed)
    run = InProcess(tiny_plan(faces)).run()
    assert run.failure == "model.weights: the published weights are not installed; install them"
