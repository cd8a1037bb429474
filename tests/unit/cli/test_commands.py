"""Every command of `fedface` that talks to the API, against a real API without workers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support.api_by_hand import MODEL, MODEL_SHA256, PLAN, ByHand
from support.command_line import Invoke


def test_the_help_imports_nothing_heavy() -> None:
    heavy = "torch, matplotlib, httpx, redis, numpy, pydantic"
    code = f"import sys, fedface_cli.main; print([m for m in '{heavy}'.split(', ') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_version(fedface: Invoke) -> None:
    code, out, _ = fedface("--version")
    assert code == 0
    assert out.startswith("fedface 0.")


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
    monkeypatch.setattr("sys.stdin", io.StringIO(PLAN.model_dump_json()))
    code, out, _ = fedface("run", "create", "-")
    assert code == 0
    assert api.ports.ledger.load(out.strip()).plan == PLAN


def test_a_wrong_plan_names_the_field_and_is_usage(fedface: Invoke, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text("rounds = 0\n[local_training]\nlr = 1.0\n")
    code, _, err = fedface("run", "create", str(plan))
    assert code == 2
    assert "plan.toml is not a plan" in err
    assert "local_training.lr: there is no such field" in err
    assert "rounds: Input should be greater than 0" in err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"rounds = ", "is not TOML"),
        (b'{"rounds": }', "is not JSON"),
        (b"\xff\xfe\x00", "is not text"),
        (b"[split]\nclients = 4\n[cohort]\nsize = 5\n", "cohort.size is 5, but split.clients is only 4"),
    ],
)
def test_an_unreadable_plan_says_why(fedface: Invoke, tmp_path: Path, content: bytes, complaint: str) -> None:
    plan = tmp_path / "plan"
    plan.write_bytes(content)
    code, _, err = fedface("run", "create", str(plan))
    assert code == 2
    assert complaint in err


def test_a_missing_plan_says_so(fedface: Invoke, tmp_path: Path) -> None:
    code, _, err = fedface("run", "create", str(tmp_path / "none.toml"))
    assert code == 2
    assert "none.toml: No such file" in err


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


def test_an_unknown_run_is_named(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("run", "show", "run-000000000000")
    assert code == 1
    assert "run-000000000000" in err


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


def test_list_has_every_run_newest_first(fedface: Invoke, api: ByHand) -> None:
    older, newer = api.completed(), api.created()
    code, out, _ = fedface("run", "list")
    assert code == 0
    assert out.index(newer) < out.index(older)
    assert "0.9200" in out
    listed = [run["id"] for run in json.loads(fedface("run", "list", "--json")[1])["runs"]]
    assert listed[:2] == [newer, older]
    older_ones = json.loads(fedface("run", "list", "--limit", "1", "--before", newer, "--json")[1])["runs"]
    assert [run["id"] for run in older_ones] == [older]


def test_a_narrow_list_shows_whole_ids(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = api.created()
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


def test_download_writes_the_model_and_its_hash(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.safetensors"
    code, out, _ = fedface("model", "download", api.completed(), "--output", str(target))
    assert code == 0
    assert out.strip() == f"{MODEL_SHA256}  {target}"
    assert target.read_bytes() == MODEL
    assert [path.name for path in target.parent.iterdir()] == ["model.safetensors"]


def test_download_before_there_is_a_model(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("model", "download", api.created())
    assert code == 1
    assert "no model version yet" in err


def test_upload_prints_the_hash_to_name_in_a_plan(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    source = tmp_path / "weights.safetensors"
    source.write_bytes(MODEL)
    assert fedface("model", "upload", str(source))[:2] == (0, f"{MODEL_SHA256}\n")
    code, _, err = fedface("model", "upload", str(tmp_path / "none"))
    assert code == 2
    assert "none: No such file" in err


def test_no_api_says_how_to_get_one(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", "http://127.0.0.1:9")
    code, _, err = fedface("run", "list")
    assert code == 1
    assert "no control API at http://127.0.0.1:9: start one with `fedface up` or `docker compose up`" in err
    assert "FEDFACE_API_URL" in err


def test_a_url_without_a_scheme_is_refused(fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", "localhost:8000")
    code, _, err = fedface("run", "list")
    assert code == 2
    assert "must start with http://" in err
