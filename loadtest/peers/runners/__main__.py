"""Run one system once: `python -m loadtest.peers.runners RUNNER VARIANT WORKLOAD ROUNDS RESULT`.

RUNNER is a module of this package with `run(workload: Path, rounds: int, variant: str) -> RunnerResult | None`. It runs
ROUNDS rounds, the one to warm up included. It returns None in every process but the one that reports the result.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch

from loadtest.bare.loop import use_one_thread
from loadtest.peers.runner_result import RunnerResult, write_runner_result


def main() -> None:
    """Run the runner that the arguments name, and write its result."""
    runner, variant, workload, rounds, path = sys.argv[1:]
    use_one_thread()
    result: RunnerResult | None = import_module(f"loadtest.peers.runners.{runner}").run(Path(workload), int(rounds), variant)
    if result is not None:
        write_runner_result(replace(result, torch=torch.__version__), Path(path))


if __name__ == "__main__":
    main()
