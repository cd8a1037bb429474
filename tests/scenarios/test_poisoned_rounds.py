"""A client that says or sends what no training gives costs itself its round, and nobody else theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from fedface_client.invitation import Invitation
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import FoldShard
from fedface_core.domain.errors import UnusableModelError
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import RunPhase
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import decode_tensors, encode_tensors, sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from fedface_learning.simulation.simulate import simulate
from fedface_learning.updates.careful_check import check_carefully
from support.client_updates import change_updates
from support.in_process import InProcess
from support.tiny_run import tiny_plan

ATTACKER = "client-000001"
BATCH_NORM = {"architecture": "mobilefacenet", "height": 16, "width": 16, "widths": [4, 4, 4]}

Change = Callable[[dict[str, Tensor], dict[str, Any]], Any]


def attack(monkeypatch: pytest.MonkeyPatch, change: Change, kind: RoundKind = RoundKind.TRAINING) -> None:
    """Have the attacker change the tensors and metadata of its updates, and declare correctly what it has made of them."""

    def tamper(invitation: Invitation, honest: Update) -> Update:
        if invitation.client_id != ATTACKER or invitation.opened_round.kind is not kind:
            return honest
        tensors, metadata = decode_tensors(honest.data)
        change(tensors, metadata)
        data = encode_tensors(tensors, metadata)
        declared = metadata | {"sha256": sha256_hex(data), "size": len(data)}
        return replace(honest, data=data, accepted=honest.accepted.model_copy(update=declared))

    change_updates(monkeypatch, tamper)


def result(plan: Plan, number: int = 1) -> Aggregation:
    services = InProcess(plan)
    run = services.run()
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
    aggregation = services.manifest(run.id, number).round.aggregation
    assert aggregation is not None
    return aggregation


def set_all(suffix: str, value: float) -> Change:
    def change(tensors: dict[str, Tensor], _metadata: dict[str, Any]) -> None:
        for name, tensor in tensors.items():
            if name.endswith(suffix):
                tensor.fill_(value)

    return change


def set_value(name: str, value: float) -> Change:
    return lambda _tensors, metadata: metadata.update({name: value})


@pytest.mark.parametrize("images", [10_001, 10**9, 2**53, 2**63, 10**30])
@pytest.mark.parametrize("kind", RoundKind)
def test_more_images_than_a_client_can_have_are_refused(
    faces: Path, monkeypatch: pytest.MonkeyPatch, images: int, kind: RoundKind
) -> None:
    attack(monkeypatch, set_value("images", images), kind)
    aggregation = result(tiny_plan(faces, rounds=1), 0 if kind is RoundKind.ENROLMENT else 1)
    assert aggregation.refused == {ATTACKER: "wrong_image_count"}


@pytest.mark.parametrize("loss", [1.7e308, -1.7e308])
@pytest.mark.parametrize("name", ["loss_before", "loss_after"])
def test_a_loss_that_hides_all_others_is_refused(
    faces: Path, monkeypatch: pytest.MonkeyPatch, name: str, loss: float
) -> None:
    attack(monkeypatch, set_value(name, loss))
    assert result(tiny_plan(faces, rounds=1)).refused == {ATTACKER: "malformed"}


@pytest.mark.parametrize(
    ("suffix", "value"),
    [("running_var", -20), ("running_var", -1e-3), ("running_mean", 1e5), ("tracked", 2**63 - 1), ("tracked", -1)],
)
@pytest.mark.parametrize("encoding", ["float32", "int8"])
def test_a_buffer_that_no_training_gives_is_refused(
    faces: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, value: float, encoding: str
) -> None:
    attack(monkeypatch, set_all(suffix, int(value) if suffix == "tracked" else value))
    plan = tiny_plan(
        faces,
        rounds=1,
        model=BATCH_NORM,
        update_encoding=encoding,
        data={"images_per_client": 4},
        cohort={"max_update_norm": 1e7},
    )
    assert result(plan).refused == {ATTACKER: "out_of_range"}


@pytest.mark.parametrize("centring", [False, True])
def test_a_mean_that_would_be_the_centre_is_refused(faces: Path, monkeypatch: pytest.MonkeyPatch, centring: bool) -> None:
    attack(monkeypatch, set_all("mean_embedding", 1e6), RoundKind.ENROLMENT)
    plan = tiny_plan(faces, rounds=1, model={"centring": centring})
    assert result(plan, 0).refused == {ATTACKER: "norm_exceeded"}


def test_an_error_that_no_check_foresaw_refuses_one_client(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def fails_once(blocks: Any, accepted: Any, *rest: Any) -> Any:
        if accepted.images == 3:
            raise ZeroDivisionError("a fault of ours")
        return check_carefully(blocks, accepted, *rest)

    attack(monkeypatch, set_value("images", 3))
    monkeypatch.setattr("fedface_learning.updates.checks.check_fast", lambda *_: None)
    monkeypatch.setattr("fedface_learning.updates.checks.check_carefully", fails_once)
    assert result(tiny_plan(faces, rounds=1)).refused == {ATTACKER: "unusable"}


def far(tensors: dict[str, Tensor], _metadata: dict[str, Any]) -> None:
    for tensor in tensors.values():
        if tensor.is_floating_point():
            tensor.add_(1)


@pytest.mark.parametrize("shard_size", [1, 2, 4])
def test_one_attacker_of_four_moves_a_clipped_model_a_little(
    faces: Path, monkeypatch: pytest.MonkeyPatch, shard_size: int
) -> None:
    plan = tiny_plan(faces, rounds=1, cohort={"shard_size": shard_size}, aggregation={"clipping": "median"})
    honest = result(plan).update_norm
    attack(monkeypatch, far)
    attacked = result(plan)
    unprotected = result(tiny_plan(faces, rounds=1)).update_norm
    assert honest is not None
    assert attacked.update_norm is not None
    assert unprotected is not None
    assert attacked.clipped.keys() == {ATTACKER}
    assert attacked.refused == {}
    assert attacked.update_norm < 4 * honest < unprotected


def test_the_simulation_clips_as_the_services_do(faces: Path) -> None:
    """By so little more than the median that honest updates are clipped."""
    plan = tiny_plan(faces, aggregation={"clipping": {"name": "median", "times": 1}})
    services = InProcess(plan)
    run = services.run()
    simulated = simulate(plan)
    assert run.model_sha256 == simulated.model_sha256
    assert simulated.rounds[1].aggregation.clipped
    assert services.manifest(run.id, 1).round.aggregation == simulated.rounds[1].aggregation


def test_a_plan_can_clip_at_a_norm_of_its_own(faces: Path) -> None:
    aggregation = result(tiny_plan(faces, rounds=1, aggregation={"clipping": {"name": "norm", "norm": 1e-3}}))
    assert len(aggregation.clipped) >= 3  # the loss of one client is 0 from the start
    assert aggregation.update_norm is not None
    assert aggregation.update_norm <= 1e-3 * 1.001


def test_a_model_of_no_use_is_not_published(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of round 1: enrolment leaves the model as it was."""
    tried: list[object] = []

    def useless(network: object) -> None:
        tried.append(network)
        if len(tried) > 1:
            raise UnusableModelError("the new model gives nothing")

    monkeypatch.setattr("fedface_learning.aggregation.reduce.try_out", useless)
    plan = tiny_plan(faces, cohort={"retries": 0})
    services = InProcess(plan)
    run = services.run()
    assert (run.phase, run.failure) == (RunPhase.FAILED, "round 1: the new model gives nothing")
    initial = sha256_hex(encode_network(initial_network(plan.model, plan.seed)))
    assert run.model_sha256 == initial
    keys = list(services.ports.artifacts.keys(""))
    assert [key for key in keys if object_keys.kind(key) == "model"] == [object_keys.model(initial)]
    rounds = [key.split("/")[3] for key in keys if object_keys.kind(key) == "aggregation"]
    assert rounds == ["0"]


def test_a_shard_that_a_round_does_not_have_is_not_folded(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    services.handlers[FoldShard](FoldShard(run_id=run_id, round=1, shard=10**9), "stray")
    assert not [key for key in services.ports.artifacts.keys("runs/") if "1000000000" in key]


def test_a_training_that_breaks_off_is_a_failure_of_its_client(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = LocalTrainer.train

    def fails_for_one(self: LocalTrainer, trainee: Any, training: Any) -> Any:
        if trainee.client == ATTACKER:
            raise RuntimeError("no such kernel")
        return train(self, trainee, training)

    monkeypatch.setattr(LocalTrainer, "train", fails_for_one)
    services = InProcess(tiny_plan(faces, rounds=1))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    failed = services.manifest(run.id, 1).failed
    assert failed.keys() == {ATTACKER}
    assert "broke off in round 1: RuntimeError: no such kernel" in failed[ATTACKER]
    assert services.ports.ledger.failures(run.id, 1) == []
