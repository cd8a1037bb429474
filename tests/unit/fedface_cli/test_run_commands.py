"""The commands that change runs: each says what the run now is, and what comes next."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pytest

from fedface_cli import run_commands
from fedface_control.upkeep.retention import delete_run as remove
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import DamagedObjectError, FedFaceError, UnknownSchemaError
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run, RunPhase
from support.api_by_hand import PLAN, ByHand
from support.command_line import Invoke, Terminal
from support.lost_ledger import lose_run


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_commands, "POLL_SECONDS", 0.01)


def test_create_prints_the_id_and_starts_only_when_told(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('name = "from a file"\nrounds = 3\n[split]\nclients = 4\ntest = 5\n')
    code, out, _ = fedface("run", "create", str(plan))
    assert code == 0
    created = api.ports.ledger.load(out.strip())
    assert (created.plan.name, created.plan.rounds, created.plan.split.clients) == ("from a file", 3, 4)
    assert created.phase == "created"

    code, out, _ = fedface("run", "create", "--start", str(plan))
    assert code == 0
    assert api.ports.ledger.load(out.strip()).phase == "preparing"


def test_create_says_when_a_model_may_be_made_of_few_people(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text("[split]\nclients = 9\n")
    _, _, err = fedface("run", "create", str(plan))
    assert "note:" not in err
    code, out, err = fedface("run", "create", str(plan), "--set", "cohort.minimum=1")
    assert code == 0
    note = "note: a model of this run may be made of 1 update only (cohort.minimum), and then tell about single people"
    assert note in err
    code, _, err = fedface("run", "clone", out.strip(), "--set", "cohort.minimum=null")
    assert (code, "note:" in err) == (0, False)


def test_create_changes_the_plan_where_asked(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text("rounds = 3\n[split]\nclients = 4\n")
    code, out, _ = fedface("run", "create", str(plan), "--set", f"model.weights={'a' * 64}", "--set", "split.test=7")
    assert code == 0
    created = api.ports.ledger.load(out.strip()).plan
    assert (created.model.weights, created.rounds, created.split.clients, created.split.test) == ("a" * 64, 3, 4, 7)
    code, _, err = fedface("run", "create", str(plan), "--set", "rounds=0", "--set", "split.people=7")
    assert code == 2
    assert "with these settings it is not a plan:" in err
    assert "rounds: Input should be greater than 0" in err
    assert "split.people: there is no such field" in err


def test_create_takes_json_from_standard_input(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PLAN.model_dump_json().encode())))
    code, out, _ = fedface("run", "create", "-")
    assert code == 0
    assert api.ports.ledger.load(out.strip()).plan == PLAN


def test_start_and_cancel(fedface: Invoke, api: ByHand) -> None:
    run_id = api.created()
    code, out, _ = fedface("run", "start", run_id)
    assert code == 0
    assert f"{run_id} is preparing" in out
    code, out, _ = fedface("run", "cancel", run_id)
    assert code == 0
    assert f"{run_id} is cancelled" in out


def test_a_wrong_phase_says_what_is_allowed(fedface: Invoke, api: ByHand) -> None:
    run_id = api.completed()
    code, _, err = fedface("run", "start", run_id)
    assert code == 1
    assert "is completed, which allows delete" in err


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
    assert err.splitlines()[-1] == f"{clone.id} is created; start it with: fedface run start {clone.id}"
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
        (["rounds=twelve"], "rounds: 'twelve' is not an integer"),
        (["local_training.learning_rate=NaN"], "local_training.learning_rate: 'NaN' is not a number"),
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
    assert fedface("run", "delete", "--yes", run_id)[0] == 4


@pytest.mark.parametrize("error", [DamagedObjectError("this is no Run"), UnknownSchemaError("this is no Run")])
def test_a_run_that_cannot_be_read_is_deleted_all_the_same(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch, error: FedFaceError
) -> None:
    run_id = api.created()

    def refuse(_run_id: str) -> Run:
        raise error

    monkeypatch.setattr(api.ports.ledger, "load", refuse)
    assert fedface("run", "show", run_id) == (1, "", "error: this is no Run\n")
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = fedface("run", "delete", run_id)
    assert (code, out) == (0, f"{run_id} is unreadable; nothing was deleted\n")
    assert f"Delete {run_id} (which cannot be read: this is no Run) with its artifacts, for good? [y/N]" in err
    assert fedface("run", "delete", "--yes", run_id) == (0, f"{run_id} is gone\n", "")
    assert not api.ports.ledger.known_runs([run_id])
    assert api.ports.artifacts.keys(object_keys.run_folder(run_id)) == []


def test_delete_asks_on_a_terminal(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = api.completed()
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = fedface("run", "delete", run_id)
    assert (code, out) == (0, f"{run_id} is completed; nothing was deleted\n")
    assert f"Delete {run_id} (by hand, completed) with its artifacts, for good? [y/N]" in err
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
    lose_run(api.ports.ledger, one)
    code, out, _ = fedface("run", "restore", one)
    assert code == 0
    assert out == f"{one} is completed: 2 of 2 rounds are finished; fetch its model with: fedface model download {one}\n"
    assert fedface("run", "show", one)[0] == 0
    code, _, err = fedface("run", "restore", one)
    assert (code, err) == (1, f"error: {one} is in the ledger: there is nothing to restore\n")
    for run_id in (one, other):
        lose_run(api.ports.ledger, run_id)
    lines = fedface("run", "restore")[1].splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted([one, other])
    code, out, _ = fedface("run", "restore")
    assert (code, out) == (0, "the ledger has every run that the artifact store knows; nothing was restored\n")


def test_restore_says_which_run_cannot_be_brought_back(fedface: Invoke, api: ByHand) -> None:
    run_id = api.created()
    lose_run(api.ports.ledger, run_id)
    api.ports.artifacts.put(object_keys.run(run_id), b"half a rec")
    code, out, err = fedface("run", "restore")
    assert (code, out) == (1, "")
    assert err.startswith(f"{run_id} is not restored: this is no Run: Invalid JSON")
