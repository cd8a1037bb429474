"""The checks of a disturbed run: they hold of a run under disorder, and each fails for the fault that it is to find."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fedface_core.contracts import object_keys
from fedface_core.domain.update import group_digest
from loadtest.chaos.adversary import FaultKind, InjectedFault
from loadtest.chaos.checks import (
    check_fault_kinds,
    check_full_disk,
    check_kills,
    check_no_process_gave_up,
    check_runs,
    check_simulated,
    check_unchanged,
    check_wrong_clocks_noticed,
)
from loadtest.chaos.progress import Progress
from loadtest.chaos.snapshot import RunSnapshot, read_snapshot
from support.in_process import Disorder, InProcess
from support.tiny_run import tiny_plan, write_faces


def snapshot_of(services: InProcess) -> RunSnapshot:
    run = services.run()
    return read_snapshot(services.ports.ledger, services.ports.artifacts, run.id)


@pytest.fixture(scope="module")
def fault_free(tmp_path_factory: pytest.TempPathFactory) -> RunSnapshot:
    return snapshot_of(InProcess(tiny_plan(write_faces(tmp_path_factory.mktemp("faces") / "fault_free"))))


def disturbed_services(folder: Path) -> InProcess:
    disorder = Disorder(seed=1, reorder=True, duplicate=0.3, drop=0.1)
    return InProcess(tiny_plan(write_faces(folder)), disorder, kill_after=9)


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> RunSnapshot:
    return snapshot_of(disturbed_services(tmp_path_factory.mktemp("faces") / "disturbed"))


@pytest.fixture(scope="module")
def delivered_together(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSnapshot, RunSnapshot]:
    """A run whose first tasks have two clients, and one whose worker is killed when it has put the sum of these two."""
    folder = write_faces(tmp_path_factory.mktemp("faces") / "combined", identities=20)
    plan = tiny_plan(folder, delivery="combined", split={"clients": 18}, cohort={"shard_size": 6})
    fault_free = InProcess(plan)
    snapshot = snapshot_of(fault_free)
    effects = fault_free.effect_log.effects
    put = next(number for number, effect in enumerate(effects, start=1) if "/combined-" in effect)
    return snapshot, snapshot_of(InProcess(plan, kill_after=put))


def with_round(snapshot: RunSnapshot, number: int, **changes: Any) -> RunSnapshot:
    rounds = list(snapshot.rounds)
    rounds[number] = dataclasses.replace(rounds[number], **changes)
    return dataclasses.replace(snapshot, rounds=rounds)


def with_aggregation(snapshot: RunSnapshot, **changes: Any) -> RunSnapshot:
    finished = snapshot.rounds[1].round
    assert finished.aggregation is not None
    aggregation = finished.aggregation.model_copy(update=changes)
    return with_round(snapshot, 1, round=finished.model_copy(update={"aggregation": aggregation}))


def lose_from_manifest(snapshot: RunSnapshot) -> RunSnapshot:
    manifest = snapshot.rounds[1].manifest
    assert manifest is not None
    accepted = dict(manifest.accepted)
    accepted.popitem()
    return with_round(snapshot, 1, manifest=manifest.model_copy(update={"accepted": accepted}))


def lose_accepted(snapshot: RunSnapshot) -> RunSnapshot:
    accepted = dict(snapshot.rounds[2].accepted)
    accepted.popitem()
    return with_round(snapshot, 2, accepted=accepted)


def damage_stored(snapshot: RunSnapshot) -> RunSnapshot:
    first, *_ = snapshot.rounds[1].stored_sha256
    return with_round(snapshot, 1, stored_sha256={**snapshot.rounds[1].stored_sha256, first: "0" * 64})


def repeat_event(snapshot: RunSnapshot) -> RunSnapshot:
    closed = next(event for event in snapshot.events if event.name == "round_closed")
    return dataclasses.replace(snapshot, events=[*snapshot.events, closed])


def add_key(snapshot: RunSnapshot) -> RunSnapshot:
    return dataclasses.replace(snapshot, keys=snapshot.keys | {f"runs/{snapshot.run.id}/rounds/1/updates/half.tmp"})


def lose_key(snapshot: RunSnapshot) -> RunSnapshot:
    return dataclasses.replace(snapshot, keys=snapshot.keys - {object_keys.report(snapshot.run.id, 1)})


def test_a_run_under_disorder_passes_them_all(fault_free: RunSnapshot, disturbed: RunSnapshot) -> None:
    checks = check_runs(fault_free, disturbed)
    assert [check for check in checks if not check.passed] == []
    assert len({check.name for check in checks}) == len(checks)
    accepted = next(check for check in checks if "accepted updates" in check.name)
    assert accepted.figures == {"compared": 12, "differing": 0}


def test_clients_that_were_delivered_together_pass_whoever_was_with_whom(
    delivered_together: tuple[RunSnapshot, RunSnapshot],
) -> None:
    fault_free, disturbed = delivered_together
    checks = {check.name: check for check in check_runs(fault_free, disturbed)}
    assert [check for check in checks.values() if not check.passed] == []
    assert fault_free.rounds[1].accepted != disturbed.rounds[1].accepted
    assert checks["no temporary or unknown object, and none is missing"].figures["combined_but_not_recorded"] == 1
    together = checks["workers deliver several clients as one object"].figures
    assert (together["clients"], together["most_in_one"]) == (36, 2)
    assert together["objects"] < 36


def test_a_combined_run_that_delivers_each_client_by_itself_shows_nothing(
    delivered_together: tuple[RunSnapshot, RunSnapshot],
) -> None:
    fault_free, _ = delivered_together
    alone = fault_free
    for number in (1, 2):
        accepted = {
            client: update.model_copy(update={"group": group_digest([client])})
            for client, update in fault_free.rounds[number].accepted.items()
        }
        alone = with_round(alone, number, accepted=accepted)
    failing = {check.name for check in check_runs(fault_free, alone) if not check.passed}
    assert "workers deliver several clients as one object" in failing
    assert "the accepted updates are the fault-free ones" not in failing


def test_a_combined_update_that_is_missing_in_the_store_is_found(
    delivered_together: tuple[RunSnapshot, RunSnapshot],
) -> None:
    fault_free, disturbed = delivered_together
    group = next(update.group for update in disturbed.rounds[2].accepted.values())
    lost = object_keys.combined_update(disturbed.run.id, 2, group or "")
    damaged = dataclasses.replace(disturbed, keys=disturbed.keys - {lost})
    failing = {check.name for check in check_runs(fault_free, damaged) if not check.passed}
    assert failing == {"no temporary or unknown object, and none is missing"}


@pytest.mark.parametrize(
    ("damage", "failing"),
    [
        (lambda run: dataclasses.replace(run, rounds=run.rounds[:-1]), "the run finishes"),
        (
            lambda run: dataclasses.replace(run, run=run.run.model_copy(update={"model_sha256": "0" * 64})),
            "the model is the fault-free one",
        ),
        (
            lambda run: with_aggregation(run, model_sha256="0" * 64),
            "every round's model version is the fault-free one",
        ),
        (lose_accepted, "the accepted updates are the fault-free ones"),
        (lose_from_manifest, "no accepted update is missing from the manifests"),
        (lambda run: with_round(run, 1, manifest=None), "no accepted update is missing from the manifests"),
        (lambda run: with_aggregation(run, folded=5), "no update is counted twice"),
        (lambda run: with_aggregation(run, images=10), "no update is counted twice"),
        (damage_stored, "every accepted update is stored as it was accepted"),
        (lambda run: with_round(run, 1, stored_sha256={}), "every accepted update is stored as it was accepted"),
        (repeat_event, "each phase is entered once, in order"),
        (
            lambda run: with_round(run, 1, failed={"client-000001": "why"}),
            "the clients that fail are the fault-free run's",
        ),
        (add_key, "no temporary or unknown object, and none is missing"),
        (lose_key, "no temporary or unknown object, and none is missing"),
    ],
)
def test_each_check_fails_for_the_fault_that_it_is_to_find(
    fault_free: RunSnapshot, disturbed: RunSnapshot, damage: Callable[[RunSnapshot], RunSnapshot], failing: str
) -> None:
    assert failing in {check.name for check in check_runs(fault_free, damage(disturbed)) if not check.passed}


def test_a_model_that_is_not_the_simulations_is_found(disturbed: RunSnapshot) -> None:
    assert check_simulated(disturbed, disturbed.run.model_sha256 or "").passed
    assert not check_simulated(disturbed, "0" * 64).passed


def test_an_update_damaged_in_the_store_is_found(tmp_path: Path) -> None:
    services = disturbed_services(tmp_path / "faces")
    run = services.run()
    key = object_keys.update(run.id, 1, "client-000000")
    services.ports.artifacts.put(key, services.ports.artifacts.get(key)[:-1])
    snapshot = read_snapshot(services.ports.ledger, services.ports.artifacts, run.id)
    (check,) = [check for check in check_runs(snapshot, snapshot) if not check.passed]
    assert check.figures["wrong"] == [key]


def test_a_change_after_the_end_of_the_run_is_found(disturbed: RunSnapshot) -> None:
    assert check_unchanged(disturbed, disturbed).passed
    assert check_unchanged(disturbed, repeat_event(disturbed)).figures == {"changed": ["events"]}
    assert not check_unchanged(disturbed, add_key(disturbed)).passed


@dataclass(frozen=True)
class Kills:
    """``count`` kills, the last of them ``late`` seconds after the end of the run."""

    count: int
    late: float = -1.0

    def of(self, snapshot: RunSnapshot) -> list[InjectedFault]:
        assert snapshot.run.ended_at is not None
        seen = Progress(1, "open", 1.5)
        moments = [snapshot.run.ended_at - timedelta(seconds=1)] * (self.count - 1)
        moments.append(snapshot.run.ended_at + timedelta(seconds=self.late))
        return [InjectedFault(FaultKind.KILL, "client", seen, moment) for moment in moments]


@pytest.mark.parametrize(
    ("kills", "passed"), [(Kills(3), True), (Kills(2), False), (Kills(4), False), (Kills(3, 0.1), False)]
)
def test_the_kills_are_as_many_as_asked_for_and_inside_the_run(disturbed: RunSnapshot, kills: Kills, passed: bool) -> None:
    assert check_kills(disturbed, kills.of(disturbed), 3).passed is passed


def test_a_fault_that_never_happened_is_found(disturbed: RunSnapshot) -> None:
    faults = Kills(2).of(disturbed)
    assert check_fault_kinds(faults, [FaultKind.KILL]).passed
    assert check_fault_kinds(faults, [FaultKind.KILL, FaultKind.DELAY]).figures == {"kill": 2, "delay": 0}
    assert not check_fault_kinds(faults, [FaultKind.KILL, FaultKind.DELAY]).passed


def test_a_process_that_ends_by_itself_is_named() -> None:
    assert check_no_process_gave_up([]).passed
    check = check_no_process_gave_up(["control", "client", "control"])
    assert (check.passed, check.figures) == (False, {"control": 2, "client": 1})


def test_a_service_that_does_not_notice_its_wrong_clock_is_named(disturbed: RunSnapshot, tmp_path: Path) -> None:
    (fault,) = Kills(1).of(disturbed)
    faults = [fault, *(dataclasses.replace(fault, kind=FaultKind.CLOCK, target=name) for name in ("client", "sweep"))]
    for name in ("client", "sweep"):
        (tmp_path / f"{name}.log").write_text("{'event': 'clock_skewed'}")
    assert check_wrong_clocks_noticed(tmp_path, faults).passed
    (tmp_path / "sweep.log").write_text("{'event': 'worker_ready'}")
    check = check_wrong_clocks_noticed(tmp_path, faults)
    assert (check.passed, check.figures) == (False, {"services": ["client", "sweep"], "silent": ["sweep"]})


def test_a_full_disk_that_took_a_write_is_found() -> None:
    assert check_full_disk([True, True]).passed
    check = check_full_disk([True, False])
    assert (check.passed, check.figures) == (False, {"full": 2, "refused": 1})
