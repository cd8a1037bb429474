"""A service that cannot start says why in one line, and its status says whether a setting is wrong."""

from __future__ import annotations

import errno
import os

import pytest

from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.runtime.exit_message import exit_message


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InvalidInputError("FEDFACE_X is wrong"), 78, "control: FEDFACE_X is wrong\n"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/a/b"), 78, "control: cannot use /a/b: Not a directory\n"),
        (UnavailableError("the store does not answer"), 1, "control: the store does not answer\n"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 1, "control: cannot write: No space left on device\n"),
    ],
)
def test_one_line_says_why(capsys: pytest.CaptureFixture[str], error: Exception, status: int, said: str) -> None:
    with pytest.raises(SystemExit) as ended, exit_message("control"):
        raise error
    assert ended.value.code == status
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    "error", [KeyError("a fault of ours"), ConnectionResetError(errno.ECONNRESET, "reset"), SystemExit(3)]
)
def test_others_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as passed, exit_message("control"):
        raise error
    assert passed.value is error
