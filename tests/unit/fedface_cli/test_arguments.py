"""An argument that is no run's id is refused before it becomes a part of a URL."""

from __future__ import annotations

import pytest

from fedface_cli.arguments import check_run_id
from support.command_line import Invoke

WRONG = ["run-1", "../models/abc", "run-0123456789ab\n", "run-0123456789ab?x=1", "a\nb", "Ж", "\udcff", ""]


def test_a_runs_id_is_taken() -> None:
    assert check_run_id("run-0123456789ab") == "run-0123456789ab"
    assert check_run_id(None) is None


@pytest.mark.parametrize("argument", WRONG)
@pytest.mark.parametrize("command", ["show", "watch", "cancel", "delete", "restore", "clone", "events"])
def test_what_is_no_runs_id_is_wrong_input(fedface: Invoke, command: str, argument: str) -> None:
    code, out, err = fedface("run", command, argument)
    assert (code, out) == (2, "")
    assert f"{argument!r} is no id of a run; it is like run-0123456789ab" in err


def test_other_commands_refuse_it_too(fedface: Invoke) -> None:
    for arguments in (("round", "close", "x"), ("model", "download", "x"), ("run", "list", "--before", "x")):
        code, _, err = fedface(*arguments)
        assert (code, "'x' is no id of a run" in err) == (2, True), arguments
