"""The store in a directory: objects that are put together wait for the disk together."""

from __future__ import annotations

import os
import threading
from itertools import count
from pathlib import Path

import pytest

from fedface_core.adapters.directory import LocalArtifacts


def test_of_many_objects_several_are_flushed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalArtifacts(tmp_path)
    store.put("u/0", b"before")  # which makes the folder
    together = threading.Barrier(2, timeout=20)  # an error for who waits, if the first two do not flush at once
    flush = os.fsync
    begun = count()

    def flush_with_another(descriptor: int) -> None:
        if next(begun) < 2:
            together.wait()
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", flush_with_another)
    store.put_all({f"u/{index}": (b"%d" % index, b"!") for index in range(8)})
    assert [store.get(f"u/{index}") for index in range(8)] == [b"%d!" % index for index in range(8)]
