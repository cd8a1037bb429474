"""The commands that show runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fedface_cli.api_client import ControlApi, RunEvent
from fedface_control.operate.run import create_run, delete_run
from fedface_control.upkeep.retention import delete_run as remove
from support.api_answers import RUN
from support.api_by_hand import MODEL_SHA256, PLAN, ByHand
from support.command_line import Invoke, Terminal


def test_an_unknown_run_is_named(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("run", "show", "run-000000000000")
    assert code == 4
    assert "run-000000000000" in err


def test_watching_an_unknown_run_is_no_failed_run(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("run", "watch", "run-000000000000")
    assert (code, err) == (4, "error: there is no run run-000000000000\n")


HOSTILE_NAME = "study [/old] [lr=1e-4]\nrun-0123456789ab completed \x1b[2J\u202e\x9b"
HARMLESS_NAME = r"study [/old] [lr=1e-4]\nrun-0123456789ab completed \x1b[2J\u202e\x9b"


def test_a_name_that_an_older_version_took_is_shown_harmlessly_everywhere(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = stored(api, HOSTILE_NAME, failure=f"no data: {HOSTILE_NAME}")
    monkeypatch.setenv("COLUMNS", "240")
    for command in ("list", "show", "watch", "events"):
        arguments = ("run", command) if command == "list" else ("run", command, run_id)
        _, out, err = fedface(*arguments)
        assert HARMLESS_NAME in out + err, command
        assert not {*"\x1b\u202e\x9b"} & {*out, *err}, command
    for command in ("list", "show"):
        code, out, _ = fedface("run", command, "--json", *([run_id] if command == "show" else []))
        assert (code, json.dumps(HOSTILE_NAME) in out) == (0, True)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert f"Delete {run_id} ({HARMLESS_NAME}, failed)" in fedface("run", "delete", run_id)[2]


def stored(api: ByHand, name: str, failure: str) -> str:
    """A failed run as an older version has stored it, which took every name."""
    run = api.ports.ledger.load(api.started())
    plan = run.plan.model_copy(update={"name": name})
    failed = run.model_copy(update={"plan": plan}).failed(api.ports.clock.now(), failure)
    api.ports.ledger.save(failed, "run_failed", detail={"failure": failure})
    return run.id


def test_show_tells_the_story_of_a_run(fedface: Invoke, api: ByHand) -> None:
    run_id = api.completed()
    code, out, _ = fedface("run", "show", run_id)
    assert code == 0
    for expected in (
        run_id,
        "completed",
        "2 of 2 finished",
        "3 of 3 accepted, 3 invited",
        "7.2 MB in 2 training rounds, 3.6 MB in the newest, as float32",
        MODEL_SHA256,
        "82.00 %",
        "0.9200",
        "8.00 %",
    ):
        assert expected in out


def test_show_json_is_what_the_api_said(fedface: Invoke, api: ByHand) -> None:
    run_id = api.failed()
    code, out, _ = fedface("run", "show", "--json", run_id)
    assert code == 0
    shown = json.loads(out)
    assert (shown["id"], shown["phase"], shown["failure"]) == (run_id, "failed", "round 0: the photographs are gone")
    assert "the photographs are gone" in fedface("run", "show", run_id)[1]


def test_show_says_how_many_updates_came_late(fedface: Invoke, api: ByHand) -> None:
    run_id = api.started()
    assert "late" not in fedface("run", "show", run_id)[1]
    for client in api.ports.ledger.load_round(run_id, 0).cohort[:2]:
        api.ports.ledger.record_late(run_id, 0, client)
    assert "0 of 3 accepted, 3 invited, 0 failed, 2 came late" in fedface("run", "show", run_id)[1]


def test_show_says_what_fails_and_will_be_tried_again(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run_id = api.started()
    assert "failing" not in fedface("run", "show", run_id)[1]
    for _ in range(2):
        api.ports.ledger.record_failure(run_id, 0, "aggregator.reduce_round", "OSError: [red]no disk")
    out = fedface("run", "show", run_id)[1]
    assert "aggregator.reduce_round: 2 failures, the newest at" in out
    assert "OSError: [red]no disk" in out, "it is no markup"
    (failing,) = json.loads(fedface("run", "show", "--json", run_id)[1])["failing"]
    assert (failing["step"], failing["total"]) == ("aggregator.reduce_round", 2)


MISSING = "no client worker computes on the CPU: start a client worker with FEDFACE_DEVICE=cpu"


def test_show_says_which_worker_is_missing(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = api.started()
    assert "waits because" not in fedface("run", "show", run_id)[1]
    monkeypatch.setattr(api.ports.publisher, "without_workers", {"client"})
    shown = " ".join(fedface("run", "show", run_id)[1].split())
    assert f"waits because {MISSING}" in shown
    assert json.loads(fedface("run", "show", "--json", run_id)[1])["waits_because"] == MISSING


def test_watch_says_at_the_start_which_worker_is_missing(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = api.started()
    monkeypatch.setattr(api.ports.publisher, "without_workers", {"client"})
    monkeypatch.setattr("fedface_cli.watching.follow", lambda *_: iter(()))
    assert f"the run waits: {MISSING}" in " ".join(fedface("run", "watch", run_id)[2].split())


def test_list_has_every_run_newest_first(fedface: Invoke, api: ByHand) -> None:
    older = api.completed()
    newer = api.created()
    code, out, _ = fedface("run", "list")
    assert code == 0
    assert out.index(newer) < out.index(older)
    assert "0.9200" in out
    listed = [run["id"] for run in json.loads(fedface("run", "list", "--json")[1])["runs"]]
    assert listed[:2] == [newer, older]
    older_ones = json.loads(fedface("run", "list", "--limit", "1", "--before", newer, "--json")[1])["runs"]
    assert [run["id"] for run in older_ones] == [older]


def test_list_is_filtered(fedface: Invoke, api: ByHand) -> None:
    done = api.completed()
    created = api.created()
    listed = json.loads(fedface("run", "list", "--text", done, "--phase", "completed", "--json")[1])
    assert [run["id"] for run in listed["runs"]] == [done]
    assert created not in fedface("run", "list", "--phase", "completed")[1]
    code, out, err = fedface("run", "list", "--text", done, "--owner", "nobody")
    assert (code, out) == (0, "")
    assert "is one of these" in err
    assert f"older runs: --before {created}" in fedface("run", "list", "--limit", "1")[2]
    code, _, err = fedface("run", "list", "--phase", "flying")
    assert (code, "'flying' is no phase of a run; the phases are created, preparing, running" in err) == (2, True)


def test_list_names_what_cannot_be_read(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = {RUN: "this is no Run: rounds: \x1b[31m"}
    monkeypatch.setattr(api.ports.ledger, "unreadable_runs", lambda *_: damaged)
    api.created()
    code, _, err = fedface("run", "list")
    assert (code, err) == (0, f"{RUN} cannot be read: this is no Run: rounds: \\x1b[31m; it can only be deleted\n")
    assert json.loads(fedface("run", "list", "--json")[1])["unreadable"] == damaged


def test_a_narrow_list_cuts_a_long_name_and_shows_whole_ids(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = create_run(api.ports, PLAN.model_copy(update={"name": "a long name " * 6})).id
    monkeypatch.setenv("COLUMNS", "80")
    out = fedface("run", "list")[1]
    assert run_id in out
    assert max(len(line) for line in out.splitlines()) <= 80


def test_watching_a_completed_run_reports_every_round(fedface: Invoke, api: ByHand) -> None:
    run_id = api.completed()
    code, out, _ = fedface("run", "watch", run_id)
    assert code == 0
    lines = out.splitlines()
    assert "round 2: round finished" in lines
    assert "  TAR@1e-1 82.00 %  TAR@1e-2 60.00 %  TAR@1e-3 40.00 %  AUC 0.9200  EER 8.00 %" in lines
    assert lines[-1] == f"{run_id} completed: 2 of 2 rounds are finished"


def test_watching_says_what_a_run_waits_for(fedface: Invoke, api: ByHand) -> None:
    run_id = api.completed()
    api.ports.ledger.record_event(run_id, "waiting", {"service": "client", "reason": "the S3 server does not answer"})
    assert "client is waiting: the S3 server does not answer" in fedface("run", "watch", run_id)[1].splitlines()


def test_watching_follows_a_run_to_its_end(fedface: Invoke, api: ByHand) -> None:
    run_id = api.started()

    def work() -> None:
        for number in range(PLAN.rounds + 1):
            time.sleep(0.2)
            api.finish_round(run_id, number)

    worker = threading.Thread(target=work)
    worker.start()
    code, out, _ = fedface("run", "watch", run_id)
    worker.join()
    assert code == 0
    assert out.splitlines()[-1] == f"{run_id} completed: 2 of 2 rounds are finished"


def test_watch_exits_by_how_the_run_ended(fedface: Invoke, api: ByHand) -> None:
    failed = api.failed()
    code, _, err = fedface("run", "watch", failed)
    assert code == 1
    assert err.strip() == f"{failed} failed: round 0: the photographs are gone"

    cancelled = api.started()
    assert fedface("run", "cancel", cancelled)[0] == 0
    assert fedface("run", "watch", cancelled)[0] == 3


def test_the_exit_codes_of_watch_are_in_its_help(fedface: Invoke) -> None:
    out = " ".join(fedface("run", "watch", "--help")[1].split())
    statuses = (
        "0 if the run completed",
        "1 if it failed",
        "3 if it was cancelled",
        "4 if it was deleted",
        "5 if the control",
    )
    for promise in statuses:
        assert promise in out


def test_a_run_that_is_deleted_while_it_is_watched(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = api.created()
    events_of = ControlApi.events

    def deleted_meanwhile(client: ControlApi, *args: Any, **kwargs: Any) -> Iterator[RunEvent]:
        for event in events_of(client, *args, **kwargs):
            yield event
            if event.name == "run_created":
                delete_run(api.ports, run_id, run_id)
                remove(api.ports, api.ports.ledger.load(run_id))

    monkeypatch.setattr(ControlApi, "events", deleted_meanwhile)
    code, _, err = fedface("run", "watch", run_id)
    assert (code, err) == (4, f"{run_id} was deleted\n")


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
        "identities listed",
        "round 0: round opened",
        "run pausing",
    ]
    assert [line[0] for line in lines] == [f"{number}-0" for number in range(1, 7)]
    code, out, _ = fedface("run", "events", "--json", "--after", "4-0", run_id)
    printed: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert [(event["id"], event["event"], event["phase"]) for event in printed] == [
        ("5-0", "round_opened", "running"),
        ("6-0", "run_pausing", "pausing"),
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
