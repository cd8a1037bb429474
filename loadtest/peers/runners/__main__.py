"""Run one system once: `python -m loadtest.peers.runners RUNNER VARIANT WORKLOAD ROUNDS RESULT`.

RUNNER is a module of this package with `run(workload: Path, rounds: int, variant: str) -> RunnerResult | None`: it runs so
many rounds, the one to warm up among them. None is the answer of a process that is not the one to tell.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch

from loadtest.bare.loop import one_thread
from loadtest.peers.runner_result import RunnerResult, write_runner_result


def main() -> None:
    """Run it and write what it tells."""
    runner, variant, workload, rounds, path = sys.argv[1:]
    one_thread()
    result: RunnerResult | None = import_module(f"loadtest.peers.runners.{runner}").run(Path(workload), int(rounds), variant)
    if result is not None:
        write_runner_result(replace(result, torch=torch.__version__), Path(path))


if __name__ == "__main__":
    main()
