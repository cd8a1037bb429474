"""Run one system once: `python -m loadtest.peers.runners RUNNER VARIANT WORKLOAD ROUNDS OUTCOME`.

RUNNER is a module of this package with `run(workload: Path, rounds: int, variant: str) -> Outcome | None`: it runs so many
rounds, the one to warm up among them. None is the answer of a process that is not the one to tell.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch

from loadtest.peers.outcome import Outcome, write_outcome
from loadtest.peers.workload import one_thread


def main() -> None:
    """Run it and write what it tells."""
    runner, variant, workload, rounds, outcome = sys.argv[1:]
    one_thread()
    told: Outcome | None = import_module(f"loadtest.peers.runners.{runner}").run(Path(workload), int(rounds), variant)
    if told is not None:
        write_outcome(replace(told, torch=torch.__version__), Path(outcome))


if __name__ == "__main__":
    main()
