"""``python -m support.folder_api FOLDER PORT``: the control API as its own process, over a ledger in memory and a folder.

For tests that measure the process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.adapters.memory import MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.ports import Ports
from support.open_sign_in import open_sign_in


def main() -> None:
    """Serve until the process is killed."""
    folder, port = sys.argv[1:]
    clock = SystemClock()
    ports = Ports(MemoryLedger(clock), LocalArtifacts(Path(folder)), RecordingPublisher(), clock)
    uvicorn.run(create_app(ports, CollectorRegistry(), open_sign_in()), port=int(port), log_config=None)


if __name__ == "__main__":
    main()
