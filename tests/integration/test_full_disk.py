"""Real stores whose disk is full: a put is refused with the reason and leaves nothing, and whoever waits goes on after."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from fedface_core.adapters.memory import MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.ports import ArtifactStore, Ports
from fedface_core.runtime.patience import with_patience
from support.faults import unavailable_within
from support.required_parts import skip_without
from support.servers import S3Server, wait_for

pytestmark = pytest.mark.long

LARGE = bytes(range(256)) * 4096


@contextmanager
def without_space(pid: int) -> Iterator[None]:
    """Until the end of the block the kernel refuses what the process writes to files."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def patient(store: ArtifactStore) -> ArtifactStore:
    """``store`` as the tasks of a worker have it."""
    return with_patience(Ports(MemoryLedger(), store, RecordingPublisher(), SystemClock()), seconds=90.0).artifacts


def test_an_s3_server_that_cannot_write_is_waited_for(s3_server: S3Server) -> None:
    store = s3_server.artifacts()
    store.put("full/old", b"old")
    with ThreadPoolExecutor(1) as pool, structlog.testing.capture_logs() as logs:
        with without_space(s3_server.pid):
            with unavailable_within(30, r"the S3 server at .* fails \(.*\); see its log, and whether its disk is full"):
                store.put("full/new", LARGE)
            with unavailable_within(30, "disk is full"):
                store.put("full/old", LARGE)
            assert store.get("full/old") == b"old"
            assert store.keys("full/") == ["full/old"]
            waiting = pool.submit(patient(store).put, "full/new", LARGE)
            wait_for("the put to wait", lambda: any(record["event"] == "waiting_for_dependency" for record in logs))
        waiting.result(timeout=60)
    assert [record["event"] for record in logs] == ["waiting_for_dependency", "dependency_back"]
    assert store.get("full/new") == LARGE
    store.delete_all(["full/old", "full/new"])
    assert store.keys("full/") == []


# In a user's own namespace a small disk needs no root. Prints what happens, line by line.
ON_A_SMALL_DISK = """
import sys, threading, time
from pathlib import Path
from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.domain.errors import UnavailableError
from fedface_core.ports import Ports
from fedface_core.runtime.patience import with_patience

disk = Path(sys.argv[1])
store = LocalArtifacts(disk)
store.put("old", b"old")
filler = disk / "of somebody else"
filler.write_bytes(bytes(700_000))
for key in ("old", "new"):
    try:
        store.put(key, bytes(600_000))
    except UnavailableError as error:
        print(error)
print(store.get("old"), *sorted(path.name for path in disk.rglob("*") if path.is_file()))
threading.Timer(1.0, filler.unlink).start()
patient = with_patience(Ports(None, store, None, None), seconds=60.0).artifacts
patient.put("new", bytes(600_000))
print(store.size("new"), *sorted(path.name for path in disk.rglob("*") if path.is_file()))
"""


def may_mount() -> bool:
    unshare = shutil.which("unshare")
    return (
        unshare is not None and subprocess.run([unshare, "-Urm", "true"], capture_output=True, check=False).returncode == 0
    )


def test_a_directory_on_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    if not may_mount():
        skip_without("mounts", "this user may not make a user namespace with mounts of its own (unshare -Urm)")
    mounted = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    command = ["unshare", "-Urm", "sh", "-c", mounted, str(tmp_path), sys.executable, "-c", ON_A_SMALL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    *refusals, before, _, _, after = done.stdout.splitlines()
    assert [line.split(";")[0] for line in refusals] == [
        f"cannot use {tmp_path}/{key} for artifacts: No space left on device" for key in ("old", "new")
    ]
    assert before == "b'old' of somebody else old"
    assert after == "600000 new old"
