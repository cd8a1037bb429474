"""Control starts quickly, and in an image without torch: what its processes import, as an interpreter sees it."""

from __future__ import annotations

import subprocess
import sys

PROCESSES = "fedface_control.api.__main__, fedface_control.worker, fedface_control.tasks"
HEAVY = ("torch", "numpy", "PIL", "matplotlib", "scipy", "sklearn", "minio")  # minio is needed only with an S3 store


def test_control_never_loads_what_computes() -> None:
    code = f"import sys, {PROCESSES}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.split() == []
