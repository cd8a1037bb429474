"""A file is written whole, or what was there before stays; and what is no file is never replaced."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.whole_file import check_writable, make_folder, whole_file, write_whole
from support.bound_by_modes import bound_by_modes
from support.full_disk import full_disk


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_write_that_is_stopped_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"old")

    def stop_halfway() -> None:
        with whole_file(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_halfway()
    assert contents(path.parent) == {"file": b"old"}
    write_whole(path, b"new content")
    assert contents(path.parent) == {"file": b"new content"}


@pytest.mark.parametrize("old", [{}, {"file": b"old"}], ids=["new", "old"])
def test_a_full_disk_leaves_what_was_there_and_names_the_file(tmp_path: Path, old: dict[str, bytes]) -> None:
    for name, data in old.items():
        (tmp_path / name).write_bytes(data)
    with full_disk(), pytest.raises(OSError, match="too large") as raised:
        write_whole(tmp_path / "file", b"x" * 100_000)
    assert raised.value.filename == str(tmp_path / "file")
    assert contents(tmp_path) == old


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole_file(path) as first:
        first.write(b"first ")
        write_whole(path, b"second")
        first.write(b"whole")
    assert contents(tmp_path) == {"file": b"first whole"}


def test_a_long_name(tmp_path: Path) -> None:
    write_whole(tmp_path / ("x" * 255), b"data")
    assert contents(tmp_path) == {"x" * 255: b"data"}


def test_permissions_are_those_of_the_old_file_or_the_usual_ones(tmp_path: Path) -> None:
    path = tmp_path / "file"
    umask = os.umask(0o027)
    try:
        write_whole(path, b"new")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    write_whole(path, b"newer")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_through_a_link_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    link.symlink_to("elsewhere/file")
    for data in (b"new", b"newer"):
        write_whole(link, data)
        assert link.is_symlink()
        assert contents(tmp_path / "elsewhere") == {"file": data}
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "link"}


def test_links_in_a_circle_are_named(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(OSError, match="Too many levels of symbolic links") as raised:
        write_whole(link, b"data")
    assert raised.value.filename == str(link)


def test_a_pipe_gets_the_bytes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, b"data")
    reader.join(10)
    assert read == [b"data"]
    assert pipe.is_fifo()


@pytest.mark.parametrize("end", ["null", "full"])
def test_a_device_stays(tmp_path: Path, end: str) -> None:
    link = tmp_path / "link"  # what would replace devices replaces this link, and no device
    link.symlink_to(f"/dev/{end}")
    if end == "null":
        write_whole(link, b"data")
    else:
        with pytest.raises(OSError, match="No space left on device") as raised:
            write_whole(link, b"data")
        assert raised.value.filename == str(link)
    assert link.is_char_device()
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_what_cannot_be_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError, match=f"{tmp_path} is a folder: give the name of a file"):
        write_whole(tmp_path, b"data")
    monkeypatch.chdir(tmp_path)  # the name of a socket may be too long otherwise
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(InvalidInputError, match="socket is a disk or a socket"):
            write_whole(Path("socket"), b"data")
    assert Path("socket").is_socket()


def test_a_file_on_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(NotADirectoryError) as raised:
            make_folder(folder)
        assert str(raised.value.filename).startswith(str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError):
        write_whole(tmp_path / "file" / "file", b"data")


def test_what_may_not_be_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o400)
    with pytest.raises(PermissionError) as raised:
        bound_by_modes(lambda: write_whole(path, b"new"))
    assert raised.value.filename == str(path)
    with pytest.raises(InvalidInputError, match="Permission denied"):
        bound_by_modes(lambda: check_writable(path))
    assert path.read_bytes() == b"old"


def test_what_can_be_written_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("missing/file")
    for fine in ("file", "new", "missing/folders/new", "link"):
        check_writable(tmp_path / fine)
    check_writable(Path("/dev/null"))
    for wrong, complaint in {".": "is a folder", "file/new": "Not a directory", "x" * 256: "File name too long"}.items():
        with pytest.raises(InvalidInputError, match=complaint):
            check_writable(tmp_path / wrong)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link"}  # nothing was made
