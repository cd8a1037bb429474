"""What an operator does with a run by the command line: each command says what the run now is, and what comes next."""

from __future__ import annotations

import io
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedface_cli import run_commands
from fedface_control.operate.run import delete_run
from fedface_control.upkeep.retention import delete_run as remove
from fedface_core.contracts import object_keys
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from support.api_by_hand import ByHand
from support.command_line import Invoke


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_commands, "POLL_SECONDS", 0.01)


def test_pause_and_resume(fedface: Invoke, api: ByHand) -> None:
    run_id = api.started()
    assert fedface("run", "pause", run_id) == (
        0,
        f"{run_id} is pausing, and paused once round 0 has finished; take that back with: fedface run resume {run_id}\n",
        "",
    )
    api.finish_round(run_id, 0)
    assert api.ports.ledger.load(run_id).phase is RunPhase.PAUSED
    code, out, _ = fedface("run", "resume", run_id)
    assert (code, out) == (
        0,
        f"{run_id} is running (round 1, 0 of 2 finished); see it with: fedface run watch {run_id}\n",
    )
    code, out, _ = fedface("run", "pause", "--now", run_id)
    assert (code, out) == (
        0,
        f"{run_id} is paused (round 1, 0 of 2 finished); continue it with: fedface run resume {run_id}\n",
    )
    assert api.ports.ledger.load_round(run_id, 1).phase is RoundPhase.SUSPENDED


def test_pausing_what_cannot_be_paused_says_what_can(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("run", "pause", run_id := api.created())
    assert (code, err) == (1, f"error: cannot pause: {run_id} is created, which allows start, cancel, delete\n")


def test_clone_prints_the_id_and_has_the_changes(fedface: Invoke, api: ByHand) -> None:
    run_id = api.completed()
    settings = ["rounds=12", "local_training.learning_rate=1e-4", "cohort.size=null", "name=again", "far=[0.5]"]
    code, out, err = fedface("run", "clone", run_id, *(part for setting in settings for part in ("--set", setting)))
    clone = api.ports.ledger.load(out.strip())
    assert code == 0
    assert err == f"{clone.id} is created; start it with: fedface run start {clone.id}\n"
    assert (clone.plan.rounds, clone.plan.local_training.learning_rate, clone.plan.cohort.size) == (12, 1e-4, None)
    assert (clone.plan.name, clone.plan.far, clone.cloned_from) == ("again", (0.5,), run_id)
    code, out, _ = fedface("run", "clone", run_id, "--start")
    assert api.ports.ledger.load(out.strip()).phase is RunPhase.PREPARING


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (["rounds"], "'rounds' sets nothing: write FIELD=VALUE, such as rounds=12"),
        (["=3"], "'=3' sets nothing"),
        (["cohort..size=3"], "'cohort..size=3' sets nothing"),
        (["rounds=1", "rounds=2"], "'rounds=2' sets a field that another setting sets already"),
        (
            ["cohort=null", "cohort.size=2"],
            "'cohort.size=2' sets a field within cohort, which another setting",
        ),
        (["rounds=twelve"], "rounds: Input should be a valid integer"),
        (["local_training.learning_rate=NaN"], "local_training.learning_rate: Input should be a finite number"),
        (["local_training.lr=1"], "local_training.lr: there is no such field"),
        (["cohort.size=9"], "cohort.size is 9, but split.clients is only 3"),
    ],
)
def test_a_wrong_change_says_what_is_right(fedface: Invoke, api: ByHand, settings: list[str], complaint: str) -> None:
    known = len(api.ports.ledger.runs())
    run_id = api.created()
    code, out, err = fedface("run", "clone", run_id, *(part for setting in settings for part in ("--set", setting)))
    assert (code, out) == (2, "")
    assert complaint in err
    assert len(api.ports.ledger.runs()) == known + 1


def swept(api: ByHand, run_id: str) -> threading.Thread:
    """A sweep that comes as soon as the run is to be deleted."""

    def wait_and_remove() -> None:
        while api.ports.ledger.load(run_id).phase is not RunPhase.DELETING:
            time.sleep(0.01)
        remove(api.ports, api.ports.ledger.load(run_id))

    thread = threading.Thread(target=wait_and_remove)
    thread.start()
    return thread


def test_delete_waits_until_the_run_is_gone(fedface: Invoke, api: ByHand) -> None:
    run_id = api.completed()
    sweeping = swept(api, run_id)
    code, out, _ = fedface("run", "delete", "--yes", run_id)
    sweeping.join()
    assert code == 0
    assert out.splitlines()[0].startswith(f"{run_id} is deleting; the sweep removes its artifacts")
    assert out.splitlines()[-1] == f"{run_id} is gone"
    assert api.ports.artifacts.keys(object_keys.run_folder(run_id)) == []
    assert fedface("run", "delete", "--yes", run_id)[0] == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_delete_asks_on_a_terminal(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = api.completed()
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, _ = fedface("run", "delete", run_id)
    assert code == 0
    assert f"Delete {run_id} (by hand, completed) with its artifacts, for good? [y/N]" in out
    assert out.splitlines()[-1].endswith(f"{run_id} is completed; nothing was deleted")
    assert api.ports.ledger.load(run_id).phase is RunPhase.COMPLETED
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    sweeping = swept(api, run_id)
    code, out, _ = fedface("run", "delete", run_id)
    sweeping.join()
    assert (code, out.splitlines()[-1]) == (0, f"{run_id} is gone")


def test_delete_refuses_where_nobody_can_confirm(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = api.completed()
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, _, err = fedface("run", "delete", run_id)
    assert code == 2
    assert "nobody is here to confirm it: add --yes" in err
    assert api.ports.ledger.load(run_id).phase is RunPhase.COMPLETED


def test_restore_brings_back_one_run_or_all(fedface: Invoke, api: ByHand) -> None:
    one = api.completed()
    other = api.started()
    api.ports.ledger.delete(one)
    code, out, _ = fedface("run", "restore", one)
    assert code == 0
    assert out == f"{one} is completed: 2 of 2 rounds are finished; fetch its model with: fedface model download {one}\n"
    assert fedface("run", "show", one)[0] == 0
    code, _, err = fedface("run", "restore", one)
    assert (code, err) == (1, f"error: {one} is in the ledger: there is nothing to restore\n")
    for run_id in (one, other):
        api.ports.ledger.delete(run_id)
    lines = fedface("run", "restore")[1].splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted([one, other])
    code, out, _ = fedface("run", "restore")
    assert (code, out) == (0, "the ledger has every run that the artifact store knows; nothing was restored\n")


def test_rounds_are_closed_retried_and_left_unscored(fedface: Invoke, api: ByHand) -> None:
    run_id = api.started()
    api.finish_round(run_id, 0)
    then = f"see it with: fedface run watch {run_id}\n"
    code, out, _ = fedface("round", "retry", run_id)
    assert (code, out) == (0, f"round 1 is abandoned; {run_id} is running (round 2, 0 of 2 finished); {then}")
    code, out, _ = fedface("round", "skip-evaluation", run_id, "2")
    assert (code, out) == (0, f"round 2 will not be scored; {run_id} is running (round 2, 0 of 2 finished); {then}")
    code, _, err = fedface("round", "close", run_id)
    assert code == 1
    assert "0 updates are accepted, fewer than the minimum 1" in err
    api.accept(run_id, 2, 1)
    code, out, _ = fedface("round", "close", run_id)
    assert (code, out) == (0, f"round 2 is closed; {run_id} is running (round 2, 0 of 2 finished); {then}")
    assert api.ports.ledger.load_round(run_id, 2).phase is RoundPhase.AGGREGATING
    code, _, err = fedface("round", "close", run_id, "1")
    assert (code, err) == (1, f"error: cannot close round 1 of {run_id}: its current round is 2\n")


def test_a_run_without_a_round_says_so(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("round", "close", run_id := api.created())
    assert code == 1
    assert f"{run_id} has no round yet" in err


def test_the_audit_trail_is_printed_from_any_event(fedface: Invoke, api: ByHand) -> None:
    run_id = api.started()
    fedface("run", "pause", run_id)
    code, out, _ = fedface("run", "events", run_id)
    lines = [line.split("  ") for line in out.splitlines()]
    assert code == 0
    assert [line[2] for line in lines] == [
        "run created",
        "run started",
        "model prepared",
        "round 0: round opened",
        "run pausing",
    ]
    assert [line[0] for line in lines] == [f"{number}-0" for number in range(1, 6)]
    code, out, _ = fedface("run", "events", "--json", "--after", "3-0", run_id)
    told: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert [(event["id"], event["event"], event["phase"]) for event in told] == [
        ("4-0", "round_opened", "running"),
        ("5-0", "run_pausing", "pausing"),
    ]
    code, _, err = fedface("run", "events", run_id, "--after", "yesterday")
    assert (code, "'yesterday' is not an event id" in err) == (2, True)


def test_the_audit_trail_is_followed_to_the_end(fedface: Invoke, api: ByHand) -> None:
    run_id = api.started()

    def work() -> None:
        for number in range(3):
            api.finish_round(run_id, number)

    worker = threading.Timer(0.2, work)
    worker.start()
    code, out, _ = fedface("run", "events", "--follow", run_id)
    worker.join()
    assert (code, out.splitlines()[-1].split("  ")[2]) == (0, "run completed")


def test_a_run_that_is_deleted_while_it_is_watched(fedface: Invoke, api: ByHand) -> None:
    run_id = api.created()

    def remove_it() -> None:
        delete_run(api.ports, run_id, run_id)
        remove(api.ports, api.ports.ledger.load(run_id))

    worker = threading.Timer(0.3, remove_it)
    worker.start()
    code, _, err = fedface("run", "watch", run_id)
    worker.join()
    assert (code, err) == (4, f"{run_id} was deleted\n")


def test_the_exit_codes_of_watch_are_in_its_help(fedface: Invoke) -> None:
    out = " ".join(fedface("run", "watch", "--help")[1].split())
    for promise in ("0 if the run completed", "1 if it failed", "3 if it was cancelled", "4 if it was deleted"):
        assert promise in out


def test_restore_says_which_run_cannot_be_brought_back(fedface: Invoke, api: ByHand) -> None:
    run_id = api.created()
    api.ports.ledger.delete(run_id)
    api.ports.artifacts.put(object_keys.run(run_id), b"half a rec")
    code, out, err = fedface("run", "restore")
    assert (code, out) == (1, "")
    assert err.startswith(f"{run_id} is not restored: this is no Run: Invalid JSON")


def test_artifacts_that_nothing_names_are_listed_and_collected(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = "runs/run-00000000dead/rounds/1/report.json"
    api.ports.artifacts.put(stray, b"left behind")
    assert fedface("artifacts", "collect") == (0, "", "0 artifacts removed\n")
    two_hours_ago = datetime.now(UTC) - timedelta(hours=2)
    monkeypatch.setattr(api.ports.artifacts, "modified", lambda key: two_hours_ago)
    listed = fedface("artifacts", "collect", "--dry-run", "--older-than", "1")
    assert listed == (0, f"{stray}\n", "1 artifact that nothing names\n")
    assert fedface("artifacts", "collect", "--older-than", "1") == (0, f"{stray}\n", "1 artifact removed\n")
    assert stray not in api.ports.artifacts.keys("")
    for hours in ("0.1", "nan", "inf", "1e8"):
        code, _, err = fedface("artifacts", "collect", "--older-than", hours)
        assert (code, "older" in err) == (2, True), "the grace period is for tasks that are at work, and has an end"
