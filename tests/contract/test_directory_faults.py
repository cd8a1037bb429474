"""The directory store if its disk is full or missing, and if the process of a put is killed."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedface_core.adapters.directory import LocalArtifacts
from support.bound_by_modes import bound_by_modes
from support.faults import unavailable_within


def test_a_full_disk_leaves_the_old_object_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalArtifacts(tmp_path)
    store.put("a/b", b"old")

    def no_space(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with unavailable_within(5, rf"cannot use {tmp_path}/a/b for artifacts: No space left on device"):
            store.put("a/b", b"new")
    assert store.get("a/b") == b"old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b"]


# Puts an object, and stops for ever at the moment that the argument names.
PUT = """
import os, signal, sys
from pathlib import Path
from fedface_core.adapters.directory import LocalArtifacts

def stop(*_): print("there", flush=True); signal.pause()

store = LocalArtifacts(Path(sys.argv[1]))
store.put("a/whole", b"whole")
setattr(*{"before it has locked": (__import__("fcntl"), "flock"), "before it has flushed": (os, "fsync")}[sys.argv[2]], stop)
store.put("a/b", b"half")
"""


@contextmanager
def a_put_that_stops(store: Path, moment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", PUT, str(store), moment], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            yield process
        finally:
            process.kill()


def incoming(store: Path) -> list[Path]:
    return list((store / "~incoming").iterdir())


@pytest.mark.parametrize("moment", ["before it has locked", "before it has flushed"])
def test_a_put_that_was_killed_is_never_listed_and_removed_by_the_next(tmp_path: Path, moment: str) -> None:
    store = LocalArtifacts(tmp_path)
    with a_put_that_stops(tmp_path, moment) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(incoming(tmp_path)) == 1
    assert store.keys("") == ["a/whole"]
    LocalArtifacts(tmp_path)
    assert incoming(tmp_path) == []


def test_a_put_that_is_under_way_is_left_alone(tmp_path: Path) -> None:
    with a_put_that_stops(tmp_path, "before it has flushed"):
        LocalArtifacts(tmp_path)
        assert len(incoming(tmp_path)) == 1


def test_a_put_whose_file_was_removed_before_it_was_locked_takes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalArtifacts(tmp_path)
    lock = fcntl.flock
    removed: list[Path] = []

    def lose_the_first(handle: int, operation: int) -> None:
        if not removed:
            removed.extend(incoming(tmp_path))
            LocalArtifacts(tmp_path)
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", lose_the_first)
    store.put("a/b", b"whole")
    assert len(removed) == 1
    assert store.get("a/b") == b"whole"
    assert incoming(tmp_path) == []


USES: dict[str, Callable[[LocalArtifacts], object]] = {
    "get": lambda store: store.get("a/b"),
    "get_range": lambda store: store.get_range("a/b", 0, 1),
    "size": lambda store: store.size("a/b"),
    "keys": lambda store: store.keys("a/"),
    "page": lambda store: store.page("a/", "", 1),
    "now": lambda store: store.now(),
    "put": lambda store: store.put("a/c", b"x"),
    "delete": lambda store: store.delete("a/b"),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("use", USES)
def test_a_directory_that_is_gone_is_no_empty_store_and_may_come_back(tmp_path: Path, use: str) -> None:
    store = LocalArtifacts(tmp_path / "mounted")
    store.put("a/b", b"x")
    (tmp_path / "mounted").rename(tmp_path / "elsewhere")
    with unavailable_within(5, rf"cannot use {tmp_path}/mounted.*FEDFACE_ARTIFACT_DIRECTORY"):
        USES[use](store)
    assert not (tmp_path / "mounted").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "mounted")
    assert store.get("a/b") == b"x"


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with unavailable_within(5, rf"{tmp_path}/file/.*FEDFACE_ARTIFACT_DIRECTORY"):
        LocalArtifacts(tmp_path / "file" / "artifacts")


def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    store = LocalArtifacts(tmp_path)
    (tmp_path / "~incoming").chmod(0o500)
    for use in (store.ping, lambda: store.put("a", b"x")):
        with unavailable_within(5, rf"cannot use {tmp_path}.*Permission denied"):
            bound_by_modes(use)
