"""Trace files: what is read from them, and what is said of a malformed one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fedface_cli.device_trace import read_trace
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan.devices import TraceEntry

OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"

HEADER = "client,round,seconds,drops_out,available,upload_failures,late_seconds\n"


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
        ('{"client": ' + "[" * 100_000, "line 1 has a number that is too long, or is nested too deeply"),
        ('{"client": ' + "9" * 5000 + "}", "line 1 has a number that is too long, or is nested too deeply"),
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
