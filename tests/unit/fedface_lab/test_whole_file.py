"""A file is written whole, or what was there before stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_lab.whole_file import write_whole


def test_a_write_that_is_stopped_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"old")
    write = Path.write_bytes

    def stops_halfway(self: Path, data: bytes) -> int:
        write(self, data[:3])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", stops_halfway)
        with pytest.raises(KeyboardInterrupt):
            write_whole(path, b"new content")
    assert path.read_bytes() == b"old"
    write_whole(path, b"new content")
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == {"file": b"new content"}
