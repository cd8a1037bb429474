"""Plans in files and on standard input, with their traces, and changes of plans."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from fedface_cli.plan_files import make_part, read_changes, read_plan
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import CohortPlan
from fedface_core.domain.plan.devices import TraceEntry
from fedface_core.files.bounded_file import MAX_TEXT_BYTES
from support.api_by_hand import ByHand
from support.command_line import Invoke


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
        (b"a = " + b"[" * 100_000, "its tables are nested more than 32 deep"),
        (b'{"a":' * 100_000, "its tables are nested more than 32 deep"),
        (b".".join([b"a"] * 100) + b" = 1", "its tables are nested more than 32 deep"),
        (b'{"rounds": ' + b"9" * 5000 + b"}", "is not JSON: Exceeds the limit"),
        (b" " * (MAX_TEXT_BYTES + 1), "has more than 16,777,216 bytes"),
        (b"[split]\nclients = 4\n[cohort]\nsize = 5\n", "cohort.size is 5, but split.clients is only 4"),
    ],
)
def test_an_unreadable_plan_says_why(fedface: Invoke, tmp_path: Path, content: bytes, complaint: str) -> None:
    plan = tmp_path / "plan"
    plan.write_bytes(content)
    code, _, err = fedface("run", "create", str(plan))
    assert code == 2
    assert complaint in err


@pytest.mark.parametrize("name", [r"a\u001b[2J", r"a\nb", r"a\u202eb"])
def test_a_name_that_steers_terminals_is_refused(fedface: Invoke, tmp_path: Path, name: str) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(f'name = "{name}"\n')
    code, _, err = fedface("run", "create", str(plan))
    assert code == 2
    assert "plan.toml is not a plan:\n  name is 'a\\" in err
    assert ", of which character 2 (U+" in err
    plan.write_text('name = "study [/old]"\n')
    code, _, err = fedface("run", "create", str(plan), "--set", "name=a\x1b[2J")
    assert (code, "name is 'a\\x1b[2J', of which character 2 (U+001B) cannot be shown" in err) == (2, True)


def test_a_missing_plan_says_so(fedface: Invoke, tmp_path: Path) -> None:
    code, _, err = fedface("run", "create", str(tmp_path / "none.toml"))
    assert code == 2
    assert "none.toml: No such file" in err


PLAN = 'name = "traced"\n[split]\nclients = 12\n[devices]\nprofile = "phones"\ntrace = "traces/trace.csv"\n'


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "trace.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_plan_takes_the_trace_that_lies_beside_it(
    fedface: Invoke, api: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plans/traces").mkdir(parents=True)
    (tmp_path / "plans/plan.toml").write_text(PLAN)
    (tmp_path / "plans/traces/trace.csv").write_text("client,drops_out\nclient-000011,true\n")
    monkeypatch.chdir(tmp_path)
    code, out, err = fedface("run", "create", "plans/plan.toml")
    assert code == 0, err
    devices = api.ports.ledger.load(out.strip()).plan.devices
    assert devices.trace == (TraceEntry(client="client-000011", drops_out=True),)
    assert (devices.profile, devices.dropout) == ("phones", 0.05)


def test_a_plan_on_standard_input_takes_the_trace_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, '{"client": "client-000001"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"devices": {"trace": "trace.csv"}}')))
    assert read_plan(Path("-")).devices.trace == (TraceEntry(client="client-000001"),)


def test_a_plan_may_hold_its_trace_itself(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[[devices.trace]]\nclient = "client-000001"\nround = 2\navailable = false\n')
    assert read_plan(path).devices.trace == (TraceEntry(client="client-000001", round=2, available=False),)


@pytest.mark.parametrize(
    ("trace", "complaint"),
    [
        (None, "error: cannot read .*traces/trace.csv: No such file"),
        ("client,seconds\nclient-000003,long\n", "traces/trace.csv, line 2, column seconds is 'long'"),
        ("client\nclient-000012\n", "devices.trace names client-000012, but split.clients is only 12"),
        ("client\nclient-000001\nclient-000001\n", "devices: trace has 2 entries of client-000001 without a round"),
    ],
)
def test_a_wrong_trace_is_wrong_usage(
    fedface: Invoke, api: ByHand, tmp_path: Path, trace: str | None, complaint: str
) -> None:
    (tmp_path / "traces").mkdir()
    (tmp_path / "plan.toml").write_text(PLAN)
    if trace is not None:
        (tmp_path / "traces/trace.csv").write_text(trace)
    code, out, err = fedface("run", "create", str(tmp_path / "plan.toml"))
    assert (code, out) == (2, "")
    assert re.search(complaint, err)
    assert "Traceback" not in err


def test_settings_are_a_merge_patch_of_json_values_or_text() -> None:
    settings = ["rounds=12", "cohort.size=null", " cohort.quorum =2", "far=[0.5]", "name=a = b", "model.weights=007"]
    assert read_changes(settings) == {
        "rounds": 12,
        "cohort": {"size": None, "quorum": 2},
        "far": [0.5],
        "name": "a = b",
        "model": {"weights": "007"},
    }


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_constant_that_is_not_json_is_text(constant: str) -> None:
    assert read_changes([f"seed={constant}"]) == {"seed": constant}


def test_a_part_of_a_plan_says_which_fields_are_wrong() -> None:
    fields = {"size": 0, "quota": 1}
    with pytest.raises(InvalidInputError) as refused:
        make_part(CohortPlan, fields, "the cohort is wrong")
    first, *lines = str(refused.value).splitlines()
    assert first == "the cohort is wrong:"
    assert lines == ["  size: Input should be greater than 0", "  quota: there is no such field"]
