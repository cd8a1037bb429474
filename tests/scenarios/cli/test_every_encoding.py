"""The real command in terminals of every encoding: names in all scripts are shown or spelled out, and read whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from fedface_control.operate.run import create_run
from support.api_by_hand import PLAN, ByHand

NAME = "Ж 人脸 é [/old]"
SHOWN = {
    "utf-8": NAME,
    "latin-1": "\\u0416 \\u4eba\\u8138 é [/old]",
    "ascii": "\\u0416 \\u4eba\\u8138 \\xe9 [/old]",
}
LOCALES = [
    ("utf-8", {"LC_ALL": "C.UTF-8"}),
    ("utf-8", {"LC_ALL": "C"}),  # Python itself takes UTF-8 then
    ("ascii", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ("latin-1", {"PYTHONIOENCODING": "latin-1"}),
    ("ascii", {"PYTHONIOENCODING": "ascii"}),
]


def fedface(environment: dict[str, str], *arguments: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
    """Exit status, standard output and standard error of the command in a process of its own."""
    command = [sys.executable, "-m", "fedface_cli.main", *arguments]
    surroundings = {**os.environ, "COLUMNS": "140", **environment}
    done = subprocess.run(command, input=given, capture_output=True, env=surroundings, timeout=60, check=False)
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("encoding", "environment"), LOCALES)
def test_a_table_is_printed_in_every_locale(api: ByHand, encoding: str, environment: dict[str, str]) -> None:
    run_id = create_run(api.ports, PLAN.model_copy(update={"name": NAME})).id
    code, out, err = fedface(environment, "run", "list")
    assert (code, err) == (0, b"")
    (line,) = (line for line in out.decode(encoding).splitlines() if run_id in line)
    assert SHOWN[encoding] in line


def test_what_a_script_reads_and_a_plan_on_standard_input_are_whole_in_latin_1(api: ByHand) -> None:
    plan = PLAN.model_copy(update={"name": NAME}).model_dump_json().encode()
    latin = {"PYTHONIOENCODING": "latin-1"}
    code, out, _ = fedface(latin, "run", "create", "-", given=b"\xef\xbb\xbf" + plan)
    assert code == 0
    run_id = out.decode().strip()
    assert api.ports.ledger.load(run_id).plan.name == NAME
    code, out, _ = fedface(latin, "run", "show", "--json", run_id)
    assert (code, json.loads(out)["name"]) == (0, NAME)


def test_help_and_errors_are_printed_in_ascii() -> None:
    code, out, _ = fedface({"PYTHONIOENCODING": "ascii"}, "run", "--help")
    assert (code, b"+-" in out) == (0, True)
    code, _, err = fedface({"PYTHONIOENCODING": "ascii"}, "run", "list", "--limit", "Ж")
    assert (code, b"--limit" in err) == (2, True)
