"""Trace files, beside a plan file: what is read from them, and what is said of a malformed one."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from fedface_cli.device_trace import read_trace
from fedface_cli.plan_files import read_plan
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan.devices import TraceEntry
from support.api_by_hand import ByHand
from support.command_line import Invoke

OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"
HEADER = "client,round,seconds,drops_out,available,upload_failures,late_seconds\n"
PLAN = 'name = "traced"\n[split]\nclients = 12\n[devices]\nprofile = "phones"\ntrace = "traces/trace.csv"\n'


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "trace.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_documented_trace_says_what_the_text_says(tmp_path: Path) -> None:
    (example,) = re.findall(r"```csv\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)
    assert example.startswith(HEADER)
    assert read_trace(written(tmp_path, example)) == (
        TraceEntry(client="client-000000", seconds=4.5, available=True),
        TraceEntry(client="client-000003", round=2, drops_out=True),
        TraceEntry(client="client-000007", round=1, upload_failures=2),
        TraceEntry(client="client-000007", round=2, available=False),
        TraceEntry(client="client-000009", round=3, late_seconds=30),
    )
    (line,) = re.findall(r'^`(\{"client".*\})`', OPERATIONS.read_text(), re.MULTILINE)
    assert read_trace(written(tmp_path, line)) == (TraceEntry(client="client-000003", round=2, drops_out=True),)


@pytest.mark.parametrize(
    "content",
    [
        "client,round,drops_out\nclient-000003,2,true\n",
        "drops_out, client ,round\r\n yes , client-000003, 2\r\n\r\n",
        '\ufeffclient,round,drops_out\n"client-000003","2",1',
        '{"client": "client-000003", "round": 2, "drops_out": true}\n',
        '\n{"client": "client-000003", "round": 2, "drops_out": true, "seconds": null}\n\n',
    ],
    ids=["some columns", "another order, spaces, DOS lines", "a spreadsheet's", "JSON lines", "JSON lines with blanks"],
)
def test_one_entry_in_many_forms(tmp_path: Path, content: str) -> None:
    assert read_trace(written(tmp_path, content)) == (TraceEntry(client="client-000003", round=2, drops_out=True),)


def test_a_header_alone_is_a_trace_without_entries(tmp_path: Path) -> None:
    assert read_trace(written(tmp_path, HEADER)) == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "is empty: its first line names the columns, such as client,round,seconds,"),
        (b"\xff\xfe\x00", "is not text: a trace is CSV or JSON lines"),
        ("round,seconds\n1,2\n", "line 1 is no header: it must name the column client"),
        ("client,speed\n", "line 1 is no header.*it is client,speed"),
        ("client,round,round\n", "line 1 is no header.*each of these once"),
        ("client-000003,2,,true,,,\n", "line 1 is no header"),
        ("client,round\nclient-000003\n", "line 2 has 1 cells, but the header names 2 columns"),
        ("client,round\n\nclient-000003,1,2\n", "line 3 has 3 cells, but the header names 2 columns"),
        ('client,round\n"client-000003"x,1\n', "line 2 is not CSV"),
        ("client,round\nclient-000003,1\n3,1\n", "line 3, column client is '3': a client.s name is like client-000003"),
        ("client,round\n,1\n", "line 2, column client is missing: each entry names its client"),
        ("client,round\nclient-000003,two\n", "line 2, column round is 'two': Input should be a valid integer"),
        ("client,round\nclient-000003,-1\n", "line 2, column round is '-1': Input should be greater than or equal to 0"),
        (
            "client,seconds\nclient-000003,301\n",
            "line 2, column seconds is '301': .* less than or equal to 300",
        ),
        ("client,seconds\nclient-000003,nan\n", "line 2, column seconds is 'nan'"),
        (
            "client,drops_out\nclient-000003,perhaps\n",
            "line 2, column drops_out is 'perhaps': .* a valid boolean",
        ),
        ("client,upload_failures\nclient-000003,1.5\n", "line 2, column upload_failures is '1.5'"),
        ('{"client": "client-000003"}\n{"client": }\n', "line 2, column 12 is not JSON"),
        ('{"client": "client-000003"}\n[1]\n', "line 2 is not an object, such as {"),
        ('{"client": 3}\n', "line 1, column client is 3: Input should be a valid string"),
        ('{"client": "client-000003", "speed": 1}\n', "line 1, column speed does not exist: the columns are client, round,"),
    ],
)
def test_a_malformed_trace_names_the_file_the_line_and_the_column(
    tmp_path: Path, content: str | bytes, complaint: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InvalidInputError, match=re.escape(str(path)) + r"(, | )" + complaint.replace("{", r"\{")):
        read_trace(path)


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
    monkeypatch.setattr("sys.stdin", io.StringIO('{"devices": {"trace": "trace.csv"}}'))
    assert read_plan(Path("-")).devices.trace == (TraceEntry(client="client-000001"),)


def test_a_plan_may_hold_its_trace_itself(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[[devices.trace]]\nclient = "client-000001"\nround = 2\navailable = false\n')
    assert read_plan(path).devices.trace == (TraceEntry(client="client-000001", round=2, available=False),)


@pytest.mark.parametrize(
    ("trace", "complaint"),
    [
        (None, "error: cannot read the trace .*traces/trace.csv: No such file"),
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
