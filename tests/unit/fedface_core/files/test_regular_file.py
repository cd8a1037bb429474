"""Only regular files are opened, and nothing is waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from fedface_core.files.regular_file import open_regular


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def a_folder(path: Path) -> None:
    path.mkdir()


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


KINDS: dict[str, Callable[[Path], None]] = {
    "a named pipe": a_pipe,
    "a socket": a_socket,
    "a folder": a_folder,
    "a device": a_device,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "2.png"
    KINDS[kind](path)
    with pytest.raises(OSError, match=f"It is {kind}, and no file") as refused:
        open_regular(path)
    assert refused.value.filename == str(path)


def test_a_pipe_that_takes_the_place_of_a_file_meanwhile_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "2.png"
    path.touch()
    opened: list[int] = []
    real = os.open

    def exchanged(file: Path, flags: int) -> int:
        path.unlink()
        a_pipe(path)
        opened.append(real(file, flags))
        return opened[0]

    monkeypatch.setattr(os, "open", exchanged)
    with pytest.raises(OSError, match="It is a named pipe"):
        open_regular(path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_a_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    file.write_bytes(b"pixels")
    link = tmp_path / "link"
    link.symlink_to(file)
    with open_regular(link) as opened:
        assert opened.read() == b"pixels"
    with open_regular(file, buffering=0) as unbuffered:
        assert unbuffered.read(3) == b"pix"
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing")
