"""An error of the system says which file and why; one that is about no file stays what it is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fedface_core.domain.errors import FedFaceError, InvalidInputError
from fedface_core.files.file_problem import file_problem, naming


def error_of(number: int, name: str | bytes | None = None) -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    "number", [errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP]
)
def test_a_wrong_path_is_a_wrong_input(number: int) -> None:
    problem = file_problem(error_of(number, "/a/b"))
    assert isinstance(problem, InvalidInputError)
    assert str(problem) == f"cannot use /a/b: {os.strerror(number)}"


@pytest.mark.parametrize(
    ("name", "said"), [("/a/b", "cannot use /a/b"), (b"/a/b", "cannot use /a/b"), (None, "cannot write")]
)
def test_a_full_disk_is_no_wrong_input(name: str | bytes | None, said: str) -> None:
    problem = file_problem(error_of(errno.ENOSPC, name))
    assert type(problem) is FedFaceError
    assert str(problem) == f"{said}: No space left on device"


@pytest.mark.parametrize("error", [ConnectionResetError(errno.ECONNRESET, "reset"), TimeoutError("slow"), OSError("odd")])
def test_what_is_about_no_file_is_no_problem_of_a_file(error: OSError) -> None:
    assert file_problem(error) is None


def test_a_file_is_named_only_if_the_error_names_none() -> None:
    with pytest.raises(OSError, match="No space") as raised, naming(Path("/a/b")):
        raise error_of(errno.ENOSPC)
    assert raised.value.filename == "/a/b"
    with pytest.raises(FileNotFoundError) as missing, naming(Path("/a/b")):
        raise error_of(errno.ENOENT, "/c")
    assert missing.value.filename == "/c"
