"""Models go through the API in parts: however large one is, the process takes little memory of its own for it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import pytest

from fedface_stack.children import Children
from fedface_stack.embedded_servers import ProcessSpec, responds_ok
from fedface_stack.local_ports import free_ports
from support.servers import running

MODEL_BYTES = 64 * 2**20
MOST_GROWTH = 20 * 2**20  # five parts of 4 MiB
PART = bytes(2**20)


def header() -> bytes:
    entry = {"dtype": "F32", "shape": [MODEL_BYTES // 4], "data_offsets": [0, MODEL_BYTES]}
    text = json.dumps({"weight": entry}).encode()
    return len(text).to_bytes(8, "little") + text


def model() -> Iterator[bytes]:
    yield header()
    for _ in range(MODEL_BYTES // len(PART)):
        yield PART


def sha256_of(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


@dataclass
class Memory:
    """The memory of a process that is its own: pages of files, which the system may take back, do not count."""

    pid: int
    most: int = 0

    def now(self) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024

    def __enter__(self) -> Self:
        self.before = self.now()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            self.most = max(self.most, self.now())

    @property
    def growth(self) -> int:
        return self.most - self.before


@pytest.mark.slow
def test_a_large_model_goes_up_and_down_in_little_memory(server_processes: Children, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    folder = tmp_path / "artifacts"
    folder.mkdir()
    command = (sys.executable, "-m", "support.folder_api", str(folder), str(port))
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    spec = ProcessSpec("api", command, lambda: responds_ok(f"{url}/healthz"), environment)
    sha256 = sha256_of(model())
    with running(server_processes, spec, tmp_path) as process, httpx.Client(trust_env=False, timeout=60) as client:
        client.get(f"{url}/v1/models").raise_for_status()  # so that what a first request loads does not count
        with Memory(process.pid) as up:
            client.put(f"{url}/v1/models/{sha256}", content=model()).raise_for_status()
        with Memory(process.pid) as down, client.stream("GET", f"{url}/v1/models/{sha256}") as answer:
            assert sha256_of(answer.iter_bytes()) == sha256
    assert up.growth < MOST_GROWTH, f"{up.growth / 2**20:.1f} MiB to take {MODEL_BYTES / 2**20:.0f} MiB"
    assert down.growth < MOST_GROWTH, f"{down.growth / 2**20:.1f} MiB to send {MODEL_BYTES / 2**20:.0f} MiB"
    print(f"up {up.growth / 2**20:.1f} MiB, down {down.growth / 2**20:.1f} MiB")
