"""Asynchronous aggregation (FedBuff): rounds wait for no client, stale updates count for less, crashes change nothing."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from fedface_control.api.views import run_summary
from fedface_control.operate.round import retry_round, skip_evaluation
from fedface_control.operate.run import cancel_run, pause_run, resume_run
from fedface_control.upkeep.restore import restore_run
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EvaluateModel, HandleFact, TrainClients
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run, RunPhase
from fedface_evaluator.evaluate import evaluate_model
from fedface_learning.data import ANYWHERE
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.simulation.simulate import simulate
from fedface_worker.workbench import Workbench
from support.in_process import Disorder, InProcess
from support.lost_ledger import lose_run
from support.slow_clients import make_slow
from support.stride import Stride
from support.tiny_run import tiny_plan, write_faces


@pytest.fixture(scope="module")
def many_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("many"), identities=10)


def asynchronous(folder: Path, **changes: Any) -> Plan:
    """Eight clients, six of which train at once; two updates fill the buffer."""
    parts: dict[str, Any] = {
        "split": {"clients": 8},
        "cohort": {"size": 6, "quorum": 2},
        "aggregation": {"mode": "asynchronous"},
        "rounds": 5,
        "retention": {"rounds_of_updates": 100},
    }
    for name, change in changes.items():
        parts[name] = parts.get(name, {}) | change if isinstance(change, dict) else change
    return tiny_plan(folder, **parts)


def tensors(services: InProcess, key: str) -> dict[str, torch.Tensor]:
    return decode_tensors(services.ports.artifacts.get(key))[0]


def carried_and_accepted(services: InProcess, run: Run) -> list[int]:
    """For each accepted update of all rounds: how many model versions it was behind."""
    behind = []
    for number in range(1, run.finished_rounds + 1):
        manifest = services.manifest(run.id, number)
        behind += [number - manifest.round.base_of(client) for client in manifest.accepted]
    return behind


@pytest.mark.parametrize("seed", range(6))
def test_each_version_is_the_one_before_moved_by_weighted_changes(many_faces: Path, seed: int) -> None:
    """Recompute each model version from the stored updates: f + Σ n s(τ) (f_c − f_base) / Σ n."""
    services = InProcess(asynchronous(many_faces))
    run_id = services.start()
    make_slow(services, seed)
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, 5)
    for number in range(1, 6):
        manifest = services.manifest(run.id, number)
        assert manifest.round.aggregation is not None
        before = tensors(services, object_keys.model(manifest.round.model_sha256))
        moved = {name: tensor.double() for name, tensor in before.items()}
        images = sum(update.declared_images for update in manifest.accepted.values())
        for client, update in manifest.accepted.items():
            base = manifest.round.base_of(client)
            started_from = tensors(services, object_keys.model(services.manifest(run.id, base).round.model_sha256))
            sent = tensors(services, object_keys.update(run.id, base, client))
            weight = update.images * (1 + number - base) ** -0.5 / images
            for name, tensor in sent.items():
                moved[name] += weight * (tensor.double() - started_from[name].double())
        after = tensors(services, object_keys.model(manifest.round.aggregation.model_sha256))
        for name, tensor in after.items():
            torch.testing.assert_close(tensor, moved[name].to(tensor.dtype), rtol=0, atol=1e-7)
    assert max(carried_and_accepted(services, run)) > 0, "else this tests nothing"


def test_clients_that_still_train_are_carried_over_and_not_asked_twice(many_faces: Path) -> None:
    services = InProcess(asynchronous(many_faces))
    run_id = services.start()
    make_slow(services, seed=1)
    services.until(run_id, lambda run: run.round == 2)
    first, second = (services.ports.ledger.load_round(run_id, number) for number in (1, 2))
    accepted = services.ports.ledger.accepted(run_id, 1)
    assert 2 <= len(accepted) < 6
    assert second.carried == dict.fromkeys(set(first.cohort) - set(accepted), 1)
    assert len(second.cohort) == 6
    asked = [command for command in services.publisher.commands if isinstance(command, TrainClients)]
    assert sorted((command.clients[0], command.round) for command in asked) == sorted(
        [(client, 1) for client in second.carried]
        + [(client, 2) for client in second.cohort if client not in second.carried]
    ), "those of round 1 wait since then; those of round 2 are new"


def test_evaluation_holds_nobody_up_and_the_run_waits_for_it_at_its_end(many_faces: Path) -> None:
    services = InProcess(asynchronous(many_faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    evaluate = services.handlers[EvaluateModel]
    withheld: list[EvaluateModel] = []
    services.handlers[EvaluateModel] = lambda command, _: withheld.append(command)
    services.until(run_id, lambda run: run.round == 5)
    ledger = services.ports.ledger
    assert ledger.load(run_id).evaluating == (0, 1, 2, 3, 4)
    assert ledger.load_round(run_id, 2).phase is RoundPhase.EVALUATING
    services.drain()
    assert ledger.load_round(run_id, 5).phase is RoundPhase.EVALUATING
    assert ledger.load(run_id).phase is RunPhase.RUNNING
    services.handlers[EvaluateModel] = evaluate
    for command in reversed(withheld):
        services.deliver_now(command)
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds, run.evaluating) == (RunPhase.COMPLETED, 5, ())
    assert all(services.manifest(run_id, number).round.scores for number in range(6))


def test_a_service_may_be_killed_after_any_effect(many_faces: Path, stride: Stride) -> None:
    """The killed process's message comes again after every second effect, and is lost after the others.

    `test_one_model` has both for each effect.
    """
    plan = asynchronous(many_faces, split={"clients": 3}, cohort={"size": 3, "quorum": 1, "shard_size": 1}, rounds=2)
    effects = len(_run(plan).effect_log.effects)
    for last_effect in stride.of(range(1, effects + 1)):
        services = InProcess(plan, kill_after=last_effect, redeliver=last_effect % 2 == 0)
        run = services.to_end(services.start())
        assert (run.phase, run.failure, run.finished_rounds) == (RunPhase.COMPLETED, None, 2)
        for number in (1, 2):
            manifest = services.manifest(run.id, number)
            assert manifest.round.aggregation is not None
            assert manifest.round.aggregation.refused == {}
            assert manifest.round.aggregation.folded == len(manifest.accepted) >= 1


def test_the_same_order_of_messages_gives_the_same_bytes(many_faces: Path) -> None:
    plan = asynchronous(many_faces)
    first, second = (_run(plan, Disorder(3, reorder=True)) for _ in range(2))
    assert first.ports.ledger.runs()[0].model_sha256 == second.ports.ledger.runs()[0].model_sha256


@pytest.mark.parametrize("seed", range(8))
def test_messages_may_be_reordered_duplicated_and_lost(many_faces: Path, seed: int) -> None:
    disorder = Disorder(seed, reorder=True, duplicate=0.25, drop=0.15, stray_sweep=0.1)
    services = InProcess(asynchronous(many_faces), disorder, kill_after=11 * seed + 5)
    run = services.to_end(services.start())
    assert (run.phase, run.failure, run.finished_rounds) == (RunPhase.COMPLETED, None, 5)
    for number in range(1, 6):
        manifest = services.manifest(run.id, number)
        assert manifest.round.aggregation is not None
        assert manifest.round.aggregation.refused == {}, "no duplicate has taken a client's place"
        assert len(manifest.accepted) >= 2


def test_a_client_that_is_too_far_behind_is_replaced(many_faces: Path) -> None:
    services = InProcess(asynchronous(many_faces, aggregation={"most_staleness": 2}))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    silent = services.ports.ledger.load_round(run_id, 1).cohort[0]
    train = services.handlers[TrainClients]
    services.handlers[TrainClients] = lambda command, cid: None if silent in command.clients else train(command, cid)
    run = services.to_end(run_id)
    rounds = services.ports.ledger.rounds(run_id)
    assert run.phase is RunPhase.COMPLETED
    assert [silent in done.carried for done in rounds[1:]][:4] == [False, True, True, False]


def test_updates_that_are_yet_to_be_counted_are_kept(many_faces: Path) -> None:
    services = InProcess(asynchronous(many_faces, rounds=8, retention={"rounds_of_updates": 1}), Disorder(1, reorder=True))
    run = services.run()
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
    aggregations = [services.manifest(run.id, number).round.aggregation for number in range(1, 9)]
    assert [aggregation.refused for aggregation in aggregations if aggregation] == [{}] * 8
    assert services.ports.artifacts.keys(object_keys.transient_prefixes(run.id, 1)[0]) == []


@pytest.mark.parametrize("now", [False, True], ids=["drained", "at once"])
def test_a_pause_loses_no_client_that_still_trains(many_faces: Path, now: bool) -> None:
    services = InProcess(asynchronous(many_faces, rounds=8, retention={"rounds_of_updates": 1}))
    run_id = services.start()
    make_slow(services, seed=2)
    for number in (2, 4, 6):
        services.until(run_id, lambda run, number=number: run.round == number)  # type: ignore[misc]
        pause_run(services.ports, run_id, now=now)
        services.until(run_id, lambda run: run.phase is RunPhase.PAUSED)
        resume_run(services.ports, run_id)
    run = services.to_end(run_id)
    assert (run.phase, run.failure, run.finished_rounds) == (RunPhase.COMPLETED, None, 8)
    manifests = [services.manifest(run_id, done.number) for done in services.ports.ledger.rounds(run_id)]
    assert all(manifest.round.aggregation and manifest.round.aggregation.refused == {} for manifest in manifests)
    assert any(manifest.round.carried for manifest in manifests)


def test_a_plan_without_a_buffer_is_refused(many_faces: Path) -> None:
    with pytest.raises(ValidationError, match=r"needs a cohort\.quorum \(the buffer\) below the 6 clients"):
        asynchronous(many_faces, cohort={"quorum": 6})


def test_one_process_does_not_pretend(many_faces: Path) -> None:
    with pytest.raises(InvalidInputError, match="nothing asynchronous to simulate"):
        simulate(asynchronous(many_faces))


def _run(plan: Plan, disorder: Disorder | None = None) -> InProcess:
    services = InProcess(plan, disorder or Disorder())
    services.run()
    return services


def withhold_evaluations(services: InProcess, run_id: str, number: int) -> None:
    """Bring the run to round ``number``, while every evaluation since round 1 is still due."""
    make_slow(services, seed=number)
    services.until(run_id, lambda run: run.round == 1)
    services.until(run_id, lambda run: run.evaluating == ())
    services.handlers[EvaluateModel] = lambda *_: None
    services.until(run_id, lambda run: run.round == number)


@pytest.mark.parametrize("number", [3, 4, 5])
@pytest.mark.parametrize("retried", [False, True], ids=["", "with a later manifest"])
def test_workers_that_outlive_the_ledger_work_for_the_rounds_of_the_restored_one(
    many_faces: Path, number: int, retried: bool
) -> None:
    """A restored ledger lacks the rounds that were not scored yet. Their numbers later name other rounds, or none."""
    services = InProcess(asynchronous(many_faces, rounds=8))
    run_id = services.start()
    withhold_evaluations(services, run_id, number)
    for _ in range(3):
        services.step()
    if retried:
        retry_round(services.ports, run_id, number)
    lose_run(services.ports.ledger, run_id)
    services.publisher.published.clear()
    restore_run(services.ports, run_id)
    score = partial(evaluate_model, Workbench(services.ports, roots=ANYWHERE))
    services.handlers[EvaluateModel] = score  # the other workers keep what they have in memory
    run = services.to_end(run_id)
    assert (run.phase, run.failure, run.finished_rounds) == (RunPhase.COMPLETED, None, 8)
    for done in services.ports.ledger.rounds(run_id):
        assert done.aggregation is None or done.aggregation.refused == {}


def test_a_cancelled_run_is_shown_though_its_ledger_has_forgotten_rounds(many_faces: Path) -> None:
    services = InProcess(asynchronous(many_faces, rounds=8))
    run_id = services.start()
    withhold_evaluations(services, run_id, 4)
    cancel_run(services.ports, run_id)
    lose_run(services.ports.ledger, run_id)
    restored = restore_run(services.ports, run_id)
    assert restored.phase is RunPhase.CANCELLED
    assert run_summary(services.ports.ledger, restored).scores is None


def test_an_earlier_round_is_finished_unscored_at_once(many_faces: Path) -> None:
    services = InProcess(asynchronous(many_faces))
    run_id = services.start()
    withhold_evaluations(services, run_id, 3)
    services.publisher.published.clear()
    skip_evaluation(services.ports, run_id, 1)
    assert [type(command) for command in services.publisher.commands] == [HandleFact], "nobody is asked to train again"
    services.drain()
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.FINISHED
    assert services.ports.ledger.load(run_id).evaluating == (2,)


@pytest.mark.parametrize("optimiser", ["momentum", "adam"])
def test_a_server_optimiser_steps_on_each_buffer_and_keeps_its_moments(many_faces: Path, optimiser: str) -> None:
    """The pseudo-gradient is the step that the buffer alone would have moved the model by."""
    plan = asynchronous(many_faces, aggregation={"optimiser": optimiser}, strategy="fedaws")
    services = InProcess(plan)
    run_id = services.start()
    make_slow(services, 1)
    run = services.to_end(run_id)
    assert run.phase is RunPhase.COMPLETED
    rounds = [services.manifest(run.id, number).round for number in range(6)]
    assert any(done.carried for done in rounds)
    for before, after in pairwise(rounds):
        assert before.aggregation is not None
        assert after.aggregation is not None
        assert after.server_state_sha256 == before.aggregation.server_state_sha256
        state = tensors(services, object_keys.server_state(run.id, after.aggregation.server_state_sha256 or ""))
        old = tensors(services, object_keys.model(after.model_sha256))
        new = tensors(services, object_keys.model(after.aggregation.model_sha256))
        for name in (key.removeprefix("optimiser/first/") for key in state if key.startswith("optimiser/first/")):
            first, second = (state.get(f"optimiser/{kind}/{name}") for kind in ("first", "second"))
            assert first is not None
            step = first.double() if second is None else 1e-3 * first.double() / (second.double().sqrt() + 1e-3)
            torch.testing.assert_close(new[name].double() - old[name].double(), step, rtol=1e-3, atol=1e-6)
    assert len({done.server_state_sha256 for done in rounds}) == 5, (
        "none at enrolment and in round 1, then one of each round"
    )
