"""People come, go or are renamed in mid run: nobody is trained as another person, and the reason says what has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fedface_control.operate.round import retry_round
from fedface_control.operate.run import clone_run, create_run, delete_run, start_run
from fedface_control.upkeep.restore import restore_run
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import ListIdentities, TrainClients
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run, RunPhase
from fedface_learning.data import open_photographs, split_identities
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.lost_ledger import lose, lose_run
from support.places import in_round
from support.tiny_run import tiny_plan, write_faces

FIRST = "client-000000"


def changed(counts: str) -> str:
    return (
        f"the data set has changed since the run was prepared: {counts} people; "
        "put it back as it was, or clone the run to learn from it as it is now (code data-set-changed)"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces")


def add_someone(folder: Path) -> None:
    shutil.copytree(folder / "person-0", folder / "Ann")


def remove_someone(folder: Path) -> None:
    (folder / "person-3").rename(folder.parent / "removed")


def rename_someone(folder: Path) -> None:
    (folder / "person-5").rename(folder / "married")


def withdraw_all_but_one_photograph(folder: Path) -> None:
    (folder / "person-0" / "1.png").unlink()


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "added": (add_someone, "+1 −0"),
    "removed": (remove_someone, "+0 −1"),
    "renamed": (rename_someone, "+1 −1"),
    "one photograph left": (withdraw_all_but_one_photograph, "+0 −1"),
}
each_change = pytest.mark.parametrize(("change", "counts"), CHANGES.values(), ids=CHANGES.keys())


def in_round_1(services: InProcess, phase: RoundPhase = RoundPhase.OPEN) -> str:
    run_id = services.start()
    services.until(run_id, in_round(services, 1, phase))
    return run_id


def test_one_person_more_or_less_would_draw_another_split(folder: Path) -> None:
    """Otherwise the other tests here would prove nothing."""
    plan = tiny_plan(folder)
    before = split_identities(open_photographs(plan).identities, plan.split)
    for change, _ in CHANGES.values():
        other = folder.with_name(change.__name__)
        shutil.copytree(folder, other)
        change(other)
        assert split_identities(open_photographs(tiny_plan(other)).identities, plan.split) != before


@each_change
def test_clients_of_new_processes_fail_with_the_reason(folder: Path, change: Callable[[Path], None], counts: str) -> None:
    services = InProcess(tiny_plan(folder, cohort={"retries": 0}))
    run_id = in_round_1(services)
    change(folder)
    services.restart_services()
    run = services.to_end(run_id)
    assert (run.phase, run.failure) == (
        RunPhase.FAILED,
        f"round 1: 0 updates were accepted, fewer than the minimum 1; 4 of 4 failed clients: {changed(counts)}",
    )
    assert set(services.ports.ledger.failed(run_id, 1).values()) == {changed(counts)}
    assert len(services.ports.ledger.failed(run_id, 1)) == 4
    assert run.model_sha256 == services.manifest(run_id, 0).round.model_sha256, "nothing was trained"


def test_a_process_that_has_opened_the_data_set_goes_on_with_the_people_that_it_knows(folder: Path) -> None:
    services = InProcess(tiny_plan(folder))
    expected = simulate(services.plan).model_sha256
    run_id = in_round_1(services)
    add_someone(folder)
    assert services.to_end(run_id).model_sha256 == expected


@pytest.mark.parametrize("restart", [False, True], ids=["same processes", "new processes"])
def test_once_it_is_put_back_a_retried_round_gives_the_model_of_an_undisturbed_run(folder: Path, restart: bool) -> None:
    undisturbed = InProcess(tiny_plan(folder))
    retried = in_round_1(undisturbed)
    retry_round(undisturbed.ports, retried, 1)
    expected = undisturbed.to_end(retried)

    services = InProcess(tiny_plan(folder))
    run_id = in_round_1(services)
    remove_someone(folder)
    services.restart_services()
    services.until(run_id, lambda run: run.round == 2)
    assert set(services.ports.ledger.failed(run_id, 1).values()) == {changed("+0 −1")}
    (folder.parent / "removed").rename(folder / "person-3")
    if restart:
        services.restart_services()
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, 2)
    assert run.model_sha256 == expected.model_sha256


def test_one_worker_with_another_copy_of_the_data_set_loses_its_clients_and_no_others(folder: Path) -> None:
    services = InProcess(tiny_plan(folder))
    run_id = in_round_1(services)
    add_someone(folder)
    services.restart_services()
    services.deliver(
        TrainClients(run_id=run_id, round=1, clients=(FIRST,)), services.ports.ledger.load(run_id).correlation_id
    )
    shutil.rmtree(folder / "Ann")
    services.until(run_id, in_round(services, 2))
    manifest = services.manifest(run_id, 1)
    assert manifest.failed == {FIRST: changed("+1 −0")}
    assert tuple(manifest.accepted) == manifest.round.cohort[1:]
    assert services.to_end(run_id).phase is RunPhase.COMPLETED


@each_change
def test_the_evaluator_scores_no_other_people(folder: Path, change: Callable[[Path], None], counts: str) -> None:
    services = InProcess(tiny_plan(folder))
    run_id = in_round_1(services, RoundPhase.EVALUATING)
    change(folder)
    services.restart_services()
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert run.failure == f"round 1: the test identities cannot be scored: {changed(counts)}"


@each_change
def test_the_aggregator_trains_on_no_other_public_people(folder: Path, change: Callable[[Path], None], counts: str) -> None:
    services = InProcess(tiny_plan(folder, strategy="public-negatives", split={"public": 2}))
    run_id = in_round_1(services, RoundPhase.AGGREGATING)
    change(folder)
    services.restart_services()
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert run.failure == f"round 1: it cannot be reduced: {changed(counts)}"


def test_clients_of_an_asynchronous_run_fail_too(folder: Path) -> None:
    services = InProcess(
        tiny_plan(folder, aggregation={"mode": "asynchronous"}, cohort={"size": 4, "quorum": 2, "retries": 0})
    )
    run_id = in_round_1(services)
    add_someone(folder)
    services.restart_services()
    assert services.to_end(run_id).phase is RunPhase.FAILED
    assert set(services.ports.ledger.failed(run_id, 1).values()) == {changed("+1 −0")}


def opened_enrolment(run: Run) -> bool:
    return run.round == 0


@pytest.mark.parametrize(
    "moment", [opened_enrolment, lambda run: run.round == 1], ids=["in enrolment", "in the first training round"]
)
@pytest.mark.parametrize("put_back", [False, True])
def test_a_restored_run_keeps_its_people(folder: Path, moment: Callable[[Run], bool], put_back: bool) -> None:
    services = InProcess(tiny_plan(folder, cohort={"retries": 0}))
    expected = simulate(services.plan).model_sha256
    run_id = services.start()
    number = services.until(run_id, moment).round
    assert number is not None
    services.step()  # one client is done
    remove_someone(folder)
    lose(services, run_id)
    restore_run(services.ports, run_id)
    if put_back:
        (folder.parent / "removed").rename(folder / "person-3")
        assert services.to_end(run_id).model_sha256 == expected
        return
    services.to_end(run_id)
    reasons = services.ports.ledger.failed(run_id, number)
    assert set(reasons.values()) == {changed("+0 −1")}
    assert FIRST not in reasons, "its update was put before the change"


def test_a_list_that_the_store_has_lost_still_refuses_other_people(folder: Path) -> None:
    services = InProcess(tiny_plan(folder, cohort={"retries": 0}))
    run_id = in_round_1(services)
    sha256 = services.ports.ledger.load(run_id).identity_list_sha256
    assert sha256 is not None
    services.ports.artifacts.delete(object_keys.identity_list(run_id, sha256))
    add_someone(folder)
    services.restart_services()
    services.to_end(run_id)
    assert set(services.ports.ledger.failed(run_id, 1).values()) == {changed("+? −?")}


def test_a_clone_learns_from_the_data_set_as_it_is_now(folder: Path) -> None:
    services = InProcess(tiny_plan(folder))
    original = services.run()
    add_someone(folder)
    clone = clone_run(services.ports, original.id, {})
    start_run(services.ports, clone.id)
    ended = services.to_end(clone.id)
    assert (ended.phase, ended.model_sha256) == (RunPhase.COMPLETED, simulate(services.plan).model_sha256)
    assert ended.model_sha256 != original.model_sha256
    assert ended.identity_list_sha256 != original.identity_list_sha256


def test_the_same_processes_serve_runs_of_the_data_set_before_and_after_a_change(folder: Path) -> None:
    services = InProcess(tiny_plan(folder))
    before = simulate(services.plan).model_sha256
    first = in_round_1(services)
    add_someone(folder)
    after = simulate(services.plan).model_sha256
    second = create_run(services.ports, services.plan).id
    start_run(services.ports, second)
    assert services.to_end(second).model_sha256 == after
    assert services.to_end(first).model_sha256 == before


def test_a_run_created_again_with_its_key_has_the_people_of_its_second_life(folder: Path) -> None:
    """A list of the deleted run, which has the same id since Redis has lost the deletion too, comes late."""
    services = InProcess(tiny_plan(folder))
    first = create_run(services.ports, services.plan, "the key")
    start_run(services.ports, first.id)
    services.deliver(ListIdentities(run_id=first.id), first.correlation_id)
    (late,) = [message for message in services.publisher.published if message[0].__class__.__name__ == "HandleFact"]
    services.publisher.published.clear()
    services.ports.ledger.save(services.ports.ledger.load(first.id).cancelled(services.clock.now()), "run_cancelled")
    delete_run(services.ports, first.id, first.id)
    services.sweep_after(1)
    lose_run(services.ports.ledger, first.id)
    add_someone(folder)
    second = create_run(services.ports, services.plan, "the key")
    start_run(services.ports, second.id)
    services.deliver(*late)
    assert services.ports.ledger.load(second.id).identity_list_sha256 is None
    assert services.to_end(second.id).model_sha256 == simulate(services.plan).model_sha256


def test_a_run_of_a_version_without_lists_goes_on_with_whatever_is_there(folder: Path) -> None:
    services = InProcess(tiny_plan(folder))
    run_id = in_round_1(services)
    lose(services, run_id)
    for key in services.ports.artifacts.keys(f"runs/{run_id}/"):
        if key.endswith(".json"):
            record = json.loads(services.ports.artifacts.get(key))
            services.ports.artifacts.put(key, json.dumps(without_lists(record)).encode())
    restored = restore_run(services.ports, run_id)
    assert restored.identity_list_sha256 is None
    add_someone(folder)
    run = services.to_end(run_id)
    assert run.phase is RunPhase.COMPLETED
    assert services.ports.ledger.load_round(run_id, 2).identity_list_sha256 is None
    assert services.manifest(run_id, 1).failed == {}


def without_lists(record: object) -> object:
    """A stored JSON value as before there were identity lists."""
    if isinstance(record, list):
        return [without_lists(each) for each in record]
    if not isinstance(record, dict):
        return record
    return {name: without_lists(value) for name, value in record.items() if name != "identity_list_sha256"}


def test_no_name_leaves_the_place_where_the_people_are(folder: Path) -> None:
    services = InProcess(tiny_plan(folder, cohort={"retries": 0}))
    run_id = in_round_1(services)
    rename_someone(folder)
    services.restart_services()
    services.to_end(run_id)
    stored = b"".join(services.ports.artifacts.get(key) for key in services.ports.artifacts.keys(""))
    told = [*services.ports.ledger.failed(run_id, 1).values(), *map(str, services.ports.ledger.events(run_id))]
    assert not any(name in stored.decode("latin-1") or name in "".join(told) for name in ("person-", "married"))


@pytest.mark.parametrize("data", [{"dataset": "orl", "folder": None}, {"dataset": "synthetic", "folder": None}])
def test_data_sets_that_never_change_have_a_list_too(folder: Path, data: dict[str, object]) -> None:
    services = InProcess(tiny_plan(folder, data=data, rounds=1))
    run = services.run()
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(services.plan).model_sha256)
    assert run.identity_list_sha256 is not None


def test_a_run_learns_from_a_list_of_labels_as_from_folders(folder: Path, tmp_path: Path) -> None:
    expected = InProcess(tiny_plan(folder)).run().model_sha256
    flat = tmp_path / "flat"
    flat.mkdir()
    labels = tmp_path / "labels.txt"
    with labels.open("w") as lines:
        for file in sorted(folder.glob("*/*.png")):
            file.rename(flat / f"{file.parent.name} {file.name}")
            lines.write(f"{file.parent.name} {file.name} {file.parent.name}\n")
    plan = tiny_plan(flat, data={"labels": str(labels)}, cohort={"retries": 0})
    assert InProcess(plan).run().model_sha256 == expected

    services = InProcess(plan)
    run_id = in_round_1(services)
    labels.write_text(labels.read_text().replace("0.png person-5\n", "0.png married\n"))
    services.restart_services()
    assert services.to_end(run_id).phase is RunPhase.FAILED
    assert set(services.ports.ledger.failed(run_id, 1).values()) == {changed("+0 −1")}
