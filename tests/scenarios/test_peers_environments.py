"""The code that runs in the peers' environments imports no package of FedFace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MODULES = ["loadtest.peers.runners.__main__", "loadtest.bare.rounds", "loadtest.bare.spreadout"]
SCRIPT = f"""
import importlib, sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pydantic", "typer", "rich") or name.startswith("fedface_"):
            raise ImportError(f"{{name}} is not installed here")

sys.meta_path.insert(0, Refused())
for name in {MODULES}:
    importlib.import_module(name)
try:
    import fedface_core
except ImportError:
    print("all but ours")
"""


def test_what_runs_in_the_peers_environments_needs_no_package_of_fedface() -> None:
    """Import-linter checks the runners of the peers, which cannot be imported here: the peers are not installed."""
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, check=True)
    assert ended.stdout == "all but ours\n"
