"""Control starts quickly, and in an image without torch: what its processes import, as an interpreter sees it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "PIL", "matplotlib", "scipy", "sklearn", "minio")  # the last where there is no S3


@pytest.mark.parametrize("module", ["fedface_control.api.__main__", "fedface_control.worker", "fedface_control.tasks"])
def test_control_never_loads_what_computes(module: str) -> None:
    asked = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.split() == []
