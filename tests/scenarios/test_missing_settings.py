"""A service whose settings are missing names them and exits, without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["fedface_client", "fedface_control.api"])
def test_a_service_without_settings_names_them_and_stops(tmp_path: Path, module: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FEDFACE_")}
    command = [sys.executable, "-m", module]
    stopped = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert stopped.returncode == 78
    assert stopped.stderr.splitlines() == [
        "settings: FEDFACE_REDIS_URL is not set",
        "settings: FEDFACE_ARTIFACTS is not set",
    ]
    assert stopped.stdout == ""
