"""The main property: whatever happens to messages and processes, a run ends with the bytes of the simulated model."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_control.operate.run import create_run, delete_run, start_run
from fedface_core.contracts import object_keys
from fedface_core.domain.ids import client_id
from fedface_core.domain.run import RunPhase
from fedface_core.domain.update import group_digest
from fedface_learning.formats.codec import sha256_hex
from support.in_process import Disorder, InProcess
from support.lost_ledger import lose_run
from support.places import simulated
from support.stride import Stride
from support.tiny_run import tiny_plan


def assert_as_simulated(services: InProcess, run_id: str) -> None:
    """Check the model, every round's results, and that each invited client was counted once."""
    run = services.ports.ledger.load(run_id)
    expected = simulated(services.plan)
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
    assert run.model_sha256 == expected.model_sha256
    for simulated_round in expected.rounds:
        manifest = services.manifest(run_id, simulated_round.number)
        assert tuple(manifest.accepted) == manifest.round.cohort
        assert manifest.failed == {}
        aggregation = manifest.round.aggregation
        assert aggregation is not None
        if services.plan.delivery == "combined":  # who was combined with whom decides how many bytes are uploaded
            aggregation = aggregation.model_copy(update={"uploaded_bytes": simulated_round.aggregation.uploaded_bytes})
        assert aggregation == simulated_round.aggregation
        assert simulated_round.aggregation.folded == len(manifest.round.cohort)
        assert simulated_round.verification is not None
        assert manifest.round.scores == simulated_round.verification.scores


def test_clients_that_may_not_use_all_their_images_train_as_simulated(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, data={"images_per_client": 1}))
    run = services.run()
    assert_as_simulated(services, run.id)
    aggregation = services.manifest(run.id, 1).round.aggregation
    assert aggregation is not None
    assert aggregation.images == 4


def test_the_straight_path_ends_with_the_simulated_model(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run = services.run()
    assert_as_simulated(services, run.id)
    assert services.ports.artifacts.get(object_keys.model(run.model_sha256 or "")) == simulated(services.plan).model


def test_the_straight_path_trains_the_model(faces: Path) -> None:
    """If the model never changed, the other tests here would compare a constant with itself."""
    rounds = simulated(tiny_plan(faces)).rounds
    assert len({done.aggregation.model_sha256 for done in rounds}) == len(rounds)
    assert all((done.aggregation.update_norm or 0) > 0 for done in rounds[1:])


@pytest.fixture
def one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """All clients of a round are one task, as if it had eight times as many clients."""
    monkeypatch.setattr("fedface_core.domain.client_tasks.WORKERS", 1)


@pytest.mark.usefixtures("one_task")
def test_combined_updates_are_one_object_for_each_shard_and_make_the_same_model(faces: Path) -> None:
    plan = tiny_plan(faces, delivery="combined", split={"clients": 6}, cohort={"shard_size": 4})
    services = InProcess(plan)
    run = services.run()
    assert_as_simulated(services, run.id)
    assert run.model_sha256 == simulated(plan.model_copy(update={"delivery": "single"})).model_sha256
    keys = services.ports.artifacts.keys(f"runs/{run.id}/rounds/2/updates/")
    groups = [group_digest(client_id(index) for index in members) for members in (range(4), range(4, 6))]
    assert sorted(keys) == sorted(object_keys.combined_update(run.id, 2, group) for group in groups)
    manifest = services.manifest(run.id, 2)
    assert [update.group for update in manifest.accepted.values()] == [groups[0]] * 4 + [groups[1]] * 2
    assert manifest.round.aggregation is not None
    assert manifest.round.aggregation.uploaded_bytes == sum(services.ports.artifacts.size(key) for key in keys)


@pytest.mark.usefixtures("one_task")
@pytest.mark.parametrize("seed", range(6))
def test_combined_updates_may_be_reordered_duplicated_lost_and_killed(faces: Path, seed: int) -> None:
    plan = tiny_plan(faces, delivery="combined", split={"clients": 6}, cohort={"shard_size": 4})
    disorder = Disorder(seed, reorder=True, duplicate=0.25, drop=0.15, stray_sweep=0.1)
    services = InProcess(plan, disorder, kill_after=9 * seed + 30)
    assert_as_simulated(services, services.run().id)


@pytest.mark.parametrize("seed", range(12))
def test_messages_may_be_reordered_duplicated_and_lost(faces: Path, seed: int) -> None:
    services = InProcess(
        tiny_plan(faces), Disorder(seed, reorder=True, duplicate=0.25, drop=0.15, stray_sweep=0.1), kill_after=10 * seed + 5
    )
    assert_as_simulated(services, services.run().id)


@pytest.mark.parametrize("shard_size", [1, 3, 32])
def test_a_cohort_smaller_than_all_clients_is_drawn_alike_and_shards_change_no_byte(faces: Path, shard_size: int) -> None:
    services = InProcess(tiny_plan(faces, cohort={"size": 3, "shard_size": shard_size}), Disorder(1, reorder=True))
    run = services.run()
    assert_as_simulated(services, run.id)
    assert run.model_sha256 == simulated(tiny_plan(faces, cohort={"size": 3, "shard_size": 2})).model_sha256
    assert len(services.manifest(run.id, 1).round.cohort) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"initialisation": "random"},
        {"model": {"centring": True}},
        {"spreadout": {"steps": 0}},
        {"local_training": {"steps": 3, "batch_size": 1}},
        {"local_training": {"steps": 3, "schedule": "cosine", "final_learning_rate": 0.1, "final_steps": 1}},
        {"strategy": "fedavg"},
        {"strategy": {"name": "fedprox", "proximal": 1.0}},
        {"strategy": "fedaws"},
        {"strategy": "fedaws", "cohort": {"size": 3, "shard_size": 2}},
        {"aggregation": {"optimiser": "momentum"}},
        {"aggregation": {"optimiser": "adam"}, "model": {"centring": True}},
        {"aggregation": {"optimiser": "yogi"}, "strategy": "fedaws"},
        {"local_training": {"steps": 2, "flip": True, "shift": 1}},
        {
            "aggregation": {"optimiser": {"name": "sgd", "weight_decay": 0.01}},
            "local_training": {"steps": 1, "schedule": "one-cycle"},
        },
        {"local_training": {"steps": 2, "augmentation": {"name": "strong", "gamma": 0.3, "reduction": 2, "blur": 1}}},
        {
            "strategy": {"name": "public-negatives", "public_batch": 3, "guidance_every": 2},
            "split": {"public": 2},
            "local_training": {"augmentation": "strong"},
            "aggregation": {"optimiser": "sgd"},
        },
        {
            "strategy": "public-negatives",
            "split": {"public": 2},
            "model": {"centring": True},
            "local_training": {"flip": True, "shift": 2},
            "aggregation": {"optimiser": "adam"},
        },
        {"delivery": "combined"},
        {
            "delivery": "combined",
            "model": {"architecture": "mobilefacenet", "height": 16, "width": 16, "widths": [4, 4, 4]},
            "cohort": {"size": 3, "shard_size": 1},
        },
        {"delivery": "combined", "strategy": "fedaws", "aggregation": {"optimiser": "adam"}},
        {
            "delivery": "combined",
            "strategy": "public-negatives",
            "split": {"public": 2},
            "model": {"centring": True},
            "aggregation": {"optimiser": "adam"},
        },
        {"strategy": "gaussian-negatives"},
        {"strategy": {"name": "gaussian-negatives", "embedded_by": "trained"}},
        {
            "strategy": {"name": "gaussian-negatives", "contrast": "clients", "anchor": 10.0},
            "split": {"public": 2},
            "cohort": {"size": 3, "shard_size": 2},
            "aggregation": {"optimiser": "sgd"},
            "local_training": {"steps": 2, "augmentation": "strong", "losses": "seen", "learning_rate": 0.001},
        },
        {
            "strategy": {"name": "gaussian-negatives", "anchor": 10.0},
            "local_training": {"learning_rate": 0.001, "vectorised_clients": 2},
        },
        {"strategy": "feduv", "local_training": {"steps": 2}},
        {"strategy": {"name": "fedfv", "group_size": 3}, "split": {"clients": 6}, "cohort": {"size": 3, "shard_size": 2}},
        {
            "strategy": {"name": "fedfr", "hard_negatives": 2, "shared_photographs": 3, "guidance_every": 2},
            "split": {"public": 2},
            "local_training": {"steps": 2, "flip": True, "learning_rate": 0.001},
        },
        {
            "strategy": "gaussian-negatives",
            "split": {"public": 2},
            "cohort": {"size": 3, "shard_size": 2},
            "local_training": {"flip": True, "shift": 2, "losses": "seen", "learning_rate": 0.001},
            "aggregation": {"optimiser": "adam", "clipping": {"name": "median", "times": 1.0}},
        },
    ],
)
def test_other_plans_agree_with_their_simulation_too(faces: Path, changes: dict[str, object]) -> None:
    services = InProcess(tiny_plan(faces, rounds=3, **changes), Disorder(2, reorder=True))
    assert_as_simulated(services, services.run().id)


@pytest.mark.parametrize(
    ("redeliver", "changes"),
    [
        (True, {"rounds": 1}),
        (False, {"rounds": 1}),
        (True, {"rounds": 2, "strategy": "fedaws", "aggregation": {"optimiser": "adam"}}),
        (True, {"rounds": 2, "strategy": {"name": "gaussian-negatives", "anchor": 10.0}}),
        (True, {"rounds": 2, "delivery": "combined", "cohort": {"shard_size": 2}}),
    ],
    ids=["redelivered", "lost", "with a server state", "with class sums", "combined"],
)
@pytest.mark.usefixtures("one_task")
def test_a_service_may_be_killed_after_any_effect(
    faces: Path, stride: Stride, redeliver: bool, changes: dict[str, object]
) -> None:
    """For every put, ledger step and message of a run, a process is killed right after it."""
    plan = tiny_plan(faces, **({"split": {"clients": 2}, "cohort": {"shard_size": 1}} | changes))
    unharmed = InProcess(plan)
    assert_as_simulated(unharmed, unharmed.run().id)
    effects = len(unharmed.effect_log.effects)
    assert effects > 50
    for last_effect in stride.of(range(1, effects + 1)):
        services = InProcess(plan, kill_after=last_effect, redeliver=redeliver)
        run_id = services.run().id
        assert len(services.effect_log.effects) >= last_effect, "it was killed"
        assert_as_simulated(services, run_id)


def test_a_quorum_closes_the_round_and_the_accepted_clients_count(faces: Path) -> None:
    """Over-selection: the fastest clients are in the average, and the manifest names them."""
    services = InProcess(tiny_plan(faces, cohort={"quorum": 2, "shard_size": 3}), Disorder(3, reorder=True))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    everyone = tuple(client_id(index) for index in range(4))
    assert tuple(services.manifest(run.id, 0).accepted) == everyone, "enrolment waits for everybody"
    for number in (1, 2):
        manifest = services.manifest(run.id, number)
        assert manifest.round.cohort == everyone
        assert 2 <= len(manifest.accepted) <= 4
        assert manifest.round.aggregation is not None
        assert manifest.round.aggregation.folded == len(manifest.accepted)
        assert manifest.round.aggregation.images == sum(update.declared_images for update in manifest.accepted.values())
    assert len(services.manifest(run.id, 2).accepted) < 4 or len(services.manifest(run.id, 1).accepted) < 4


def test_the_manifest_says_all_there_is_to_know_of_a_round(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run = services.run()
    manifests = [services.manifest(run.id, number) for number in range(3)]
    for number, manifest in enumerate(manifests):
        assert manifest.run.plan == services.plan
        assert manifest.run.round == number
        assert manifest.round == services.ports.ledger.load_round(run.id, number)
        assert manifest.round.aggregation is not None
        assert manifest.run.model_sha256 == manifest.round.aggregation.model_sha256
        assert manifest.enrolled == tuple(client_id(index) for index in range(4))
        for client, update in manifest.accepted.items():
            data = services.ports.artifacts.get(object_keys.update(run.id, number, client))
            assert (sha256_hex(data), len(data), 2) == (update.sha256, update.size, update.images)
            assert (update.loss_before is None) == (number == 0)
    assert manifests[1].round.model_sha256 == manifests[0].run.model_sha256
    assert manifests[2].run.model_sha256 == run.model_sha256


def test_workers_do_not_take_a_run_for_a_deleted_one_of_the_same_key(faces: Path) -> None:
    """The second run has the id of the first and another plan, and no worker is restarted between them.

    Redis has lost what it remembered of the deletion.
    """
    first = tiny_plan(faces)
    second = tiny_plan(faces, local_training={"learning_rate": 0.01}, cohort={"size": 3})
    services = InProcess(first)
    for plan in (first, second):
        run_id = create_run(services.ports, plan, "the key").id
        start_run(services.ports, run_id)
        run = services.to_end(run_id)
        assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulated(plan).model_sha256)
        delete_run(services.ports, run_id, run_id)
        services.sweep_after(1)
        assert services.ports.ledger.runs() == []
        lose_run(services.ports.ledger, run_id)
