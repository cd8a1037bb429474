"""The checks of the chaos scenario: they hold of a run under disorder, and each fails for what it is there to find."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fedface_core.contracts import object_keys
from loadtest.chaos.adversary import Deed, Fault
from loadtest.chaos.checks import all_kills_inside, compare, every_fault, nobody_gave_up, unmoved
from loadtest.chaos.leftovers import no_file_aside, no_process_left, no_secret_told
from loadtest.chaos.outcome import Outcome, read_outcome
from loadtest.chaos.progress import Progress
from support.in_process import Disorder, InProcess
from support.tiny_run import tiny_plan, write_faces


def outcome_of(services: InProcess) -> Outcome:
    run = services.run()
    return read_outcome(services.ports.ledger, services.ports.artifacts, run.id)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return outcome_of(InProcess(tiny_plan(write_faces(tmp_path_factory.mktemp("faces") / "calm"))))


@pytest.fixture
def services(tmp_path: Path) -> InProcess:
    disorder = Disorder(seed=1, reorder=True, duplicate=0.3, drop=0.1)
    return InProcess(tiny_plan(write_faces(tmp_path / "faces")), disorder, kill_after=9)


@pytest.fixture
def storm(services: InProcess) -> Outcome:
    return outcome_of(services)


def with_round(outcome: Outcome, number: int, **changes: Any) -> Outcome:
    rounds = list(outcome.rounds)
    rounds[number] = dataclasses.replace(rounds[number], **changes)
    return dataclasses.replace(outcome, rounds=rounds)


def with_aggregation(outcome: Outcome, **changes: Any) -> Outcome:
    ledger = outcome.rounds[1].ledger
    assert ledger.aggregation is not None
    aggregation = ledger.aggregation.model_copy(update=changes)
    return with_round(outcome, 1, ledger=ledger.model_copy(update={"aggregation": aggregation}))


def lose_from_manifest(outcome: Outcome) -> Outcome:
    manifest = outcome.rounds[1].manifest
    assert manifest is not None
    accepted = dict(manifest.accepted)
    accepted.popitem()
    return with_round(outcome, 1, manifest=manifest.model_copy(update={"accepted": accepted}))


def lose_accepted(outcome: Outcome) -> Outcome:
    accepted = dict(outcome.rounds[2].accepted)
    accepted.popitem()
    return with_round(outcome, 2, accepted=accepted)


def damage_stored(outcome: Outcome) -> Outcome:
    first, *_ = outcome.rounds[1].stored
    return with_round(outcome, 1, stored={**outcome.rounds[1].stored, first: "0" * 64})


def repeat_event(outcome: Outcome) -> Outcome:
    closed = next(event for event in outcome.events if event.name == "round_closed")
    return dataclasses.replace(outcome, events=[*outcome.events, closed])


def add_key(outcome: Outcome) -> Outcome:
    return dataclasses.replace(outcome, keys=outcome.keys | {f"runs/{outcome.run.id}/rounds/1/updates/half.tmp"})


def lose_key(outcome: Outcome) -> Outcome:
    return dataclasses.replace(outcome, keys=outcome.keys - {object_keys.report(outcome.run.id, 1)})


def test_a_run_under_disorder_passes_them_all(calm: Outcome, storm: Outcome) -> None:
    checks = compare(calm, storm)
    assert [check for check in checks if not check.passed] == []
    assert len({check.name for check in checks}) == len(checks)
    accepted = next(check for check in checks if "accepted updates" in check.name)
    assert accepted.figures == {"compared": 12, "differing": 0}


@pytest.mark.parametrize(
    ("spoil", "failing"),
    [
        (lambda o: dataclasses.replace(o, rounds=o.rounds[:-1]), "the run finishes"),
        (
            lambda o: dataclasses.replace(o, run=o.run.model_copy(update={"model_sha256": "0" * 64})),
            "the model is the fault-free one",
        ),
        (
            lambda o: with_aggregation(o, model_sha256="0" * 64),
            "every round's model version is the fault-free one",
        ),
        (lose_accepted, "the accepted updates are the fault-free ones"),
        (lose_from_manifest, "no accepted update is missing from the manifests"),
        (lambda o: with_round(o, 1, manifest=None), "no accepted update is missing from the manifests"),
        (lambda o: with_aggregation(o, folded=5), "no update is counted twice"),
        (lambda o: with_aggregation(o, images=10), "no update is counted twice"),
        (damage_stored, "every accepted update is stored as it was accepted"),
        (lambda o: with_round(o, 1, stored={}), "every accepted update is stored as it was accepted"),
        (repeat_event, "each phase is entered once, in order, and no client fails"),
        (
            lambda o: with_round(o, 1, failed={"client-000001": "why"}),
            "each phase is entered once, in order, and no client fails",
        ),
        (add_key, "no temporary or unknown object, and none is missing"),
        (lose_key, "no temporary or unknown object, and none is missing"),
    ],
)
def test_each_finds_what_it_is_there_to_find(
    calm: Outcome, storm: Outcome, spoil: Callable[[Outcome], Outcome], failing: str
) -> None:
    assert failing in {check.name for check in compare(calm, spoil(storm)) if not check.passed}


def test_an_update_damaged_in_the_store_is_found(services: InProcess) -> None:
    run = services.run()
    key = object_keys.update(run.id, 1, "client-000000")
    services.ports.artifacts.put(key, services.ports.artifacts.get(key)[:-1])
    outcome = read_outcome(services.ports.ledger, services.ports.artifacts, run.id)
    (check,) = [check for check in compare(outcome, outcome) if not check.passed]
    assert check.figures["wrong"] == [key]


def test_a_run_that_moves_after_its_end_is_found(storm: Outcome) -> None:
    assert unmoved(storm, storm).passed
    assert unmoved(storm, repeat_event(storm)).figures == {"changed": ["events"]}
    assert not unmoved(storm, add_key(storm)).passed


@dataclass(frozen=True)
class Kills:
    """``count`` kills, the last of them ``late`` seconds after the end of the run."""

    count: int
    late: float = -1.0

    def of(self, outcome: Outcome) -> list[Deed]:
        assert outcome.run.ended_at is not None
        seen = Progress(1, "open", 1.5)
        moments = [outcome.run.ended_at - timedelta(seconds=1)] * (self.count - 1)
        moments.append(outcome.run.ended_at + timedelta(seconds=self.late))
        return [Deed(Fault.KILL, "client", seen, moment) for moment in moments]


@pytest.mark.parametrize(
    ("kills", "passed"), [(Kills(3), True), (Kills(2), False), (Kills(4), False), (Kills(3, 0.1), False)]
)
def test_the_kills_are_as_many_as_asked_for_and_inside_the_run(storm: Outcome, kills: Kills, passed: bool) -> None:
    assert all_kills_inside(storm, kills.of(storm), 3).passed is passed


def test_a_fault_that_never_happened_is_found(storm: Outcome) -> None:
    deeds = Kills(2).of(storm)
    assert every_fault(deeds, [Fault.KILL]).passed
    assert every_fault(deeds, [Fault.KILL, Fault.DELAY]).figures == {"kill": 2, "delay": 0}
    assert not every_fault(deeds, [Fault.KILL, Fault.DELAY]).passed


def test_a_process_that_is_left_is_named_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.chaos.leftovers.PATIENCE_SECONDS", 0.5)
    sleep = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
    by_mark = subprocess.Popen(sleep, env={"FEDFACE_TEST_MARK": "mine"}, stdout=subprocess.PIPE)
    by_group = subprocess.Popen(sleep, env={}, stdout=subprocess.PIPE, process_group=0)
    with by_mark, by_group:
        for process in (by_mark, by_group):
            assert process.stdout is not None
            process.stdout.readline()
        found = no_process_left("FEDFACE_TEST_MARK", "mine", {by_group.pid})
        assert not found.passed
        assert {int(line.split()[0]) for line in found.figures["left"]} == {by_mark.pid, by_group.pid}
        assert no_process_left("FEDFACE_TEST_MARK", "another", set()).passed
        by_mark.kill()
        by_group.kill()
    assert no_process_left("FEDFACE_TEST_MARK", "mine", {by_group.pid}).passed


def test_a_file_without_its_name_is_found(tmp_path: Path) -> None:
    assert no_file_aside(tmp_path).passed
    (tmp_path / "~incoming").mkdir()
    assert no_file_aside(tmp_path).passed
    (tmp_path / "~incoming" / "tmp123").write_bytes(b"ha")
    assert no_file_aside(tmp_path).figures == {"left": ["tmp123"]}


def test_a_log_that_tells_a_secret_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("fine\n")
    (tmp_path / "b.log").write_bytes(b"\xff password=own\n")
    assert no_secret_told(tmp_path, ["other"]).passed
    assert no_secret_told(tmp_path, ["other", "own"]).figures == {"logs": 2, "telling": ["b.log"]}


def test_who_ends_unasked_is_named() -> None:
    assert nobody_gave_up([]).passed
    check = nobody_gave_up(["api", "client", "api"])
    assert (check.passed, check.figures) == (False, {"api": 2, "client": 1})
