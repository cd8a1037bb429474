"""One process at a time holds a folder's lock, and the lock is free after that process has ended for any reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_stack.folder_lock import folder_locked

# Holds the lock, has a child print its process id, and waits to be killed.
OWNER = """
import os, subprocess, sys, time
from pathlib import Path
from fedface_stack.folder_lock import folder_locked

CHILD = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
with folder_locked(Path(sys.argv[1]), "held already"):
    if sys.argv[2] == "started":
        subprocess.Popen([sys.executable, "-c", CHILD])
    elif os.fork() == 0:
        exec(CHILD)
    time.sleep(600)
"""


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "folder" / "lock"
    with folder_locked(lock, "the first"):
        with pytest.raises(InvalidInputError, match=r"^somebody is at work$"), folder_locked(lock, "somebody is at work"):
            pass
        with pytest.raises(InvalidInputError), folder_locked(lock, "being refused has not let go of it"):
            pass
    with folder_locked(lock, "held though nobody holds it"):
        pass


def test_what_the_file_holds_stays(tmp_path: Path) -> None:
    lock = tmp_path / "journal"
    lock.write_text("done: 1\n")
    with folder_locked(lock, ""):
        pass
    assert lock.read_text() == "done: 1\n"


@pytest.mark.parametrize("child", ["started", "forked"])
def test_a_child_does_not_keep_the_lock_of_an_owner_that_was_killed(tmp_path: Path, child: str) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", OWNER, str(lock), child], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child_id = int(owner.stdout.readline())
        try:
            with pytest.raises(InvalidInputError), folder_locked(lock, "the owner runs"):
                pass
            owner.kill()
            owner.wait()
            with folder_locked(lock, "the child keeps it"):
                os.kill(child_id, 0)  # raises if the child has ended
        finally:
            os.kill(child_id, signal.SIGKILL)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InvalidInputError, match=f"cannot write {tmp_path / 'file'}: "),
        folder_locked(tmp_path / "file" / "lock", ""),
    ):
        pass
