"""A local stack with stand-ins for its services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fedface_stack import stack as stack_module
from fedface_stack.stack import LocalStack

# It answers on its metrics port, as a service does, and has a child process, as a prefork worker has.
STAND_IN = """
import http.server, os, sys
class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["OMP_NUM_THREADS"].encode())
if os.environ.get("STAND_IN_BREAKS") == os.path.basename(os.environ["FEDFACE_METRICS_DIRECTORY"]):
    sys.exit("this service cannot start")
if os.fork() == 0:
    import time; time.sleep(600)
http.server.HTTPServer(("127.0.0.1", int(os.environ["FEDFACE_METRICS_PORT"])), Fine).serve_forever()
"""


@pytest.fixture
def stand_in_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a stack whose services are stand-ins, which start at once and compute nothing."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setattr(stack_module, "SERVICES", {"control": "stand_in", "client": "stand_in"})
    monkeypatch.setattr(stack_module, "GRACE_SECONDS", 2.0)
    return {"PYTHONPATH": str(tmp_path)}


@pytest.fixture
def stack(tmp_path: Path, stand_in_environment: dict[str, str]) -> Iterator[LocalStack]:
    """A started stack with stand-ins for the API and the client, stopped after the test."""
    with LocalStack(tmp_path / "work", environment=stand_in_environment) as running:
        yield running
