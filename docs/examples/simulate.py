"""Simulate a plan in one process and print its scores: `python simulate.py [plan.toml] [--mine]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from my_strategy import MY_STRATEGY

from fedface_cli.plan_files import read_plan
from fedface_core.domain.plan import Plan
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import SimulatedRound, SimulationResult, simulate
from fedface_learning.strategies import STRATEGIES


def show(round_: SimulatedRound) -> None:
    """Print one line: the number of the round and its scores. Round 0 is enrolment."""
    if round_.verification is None:
        return
    scores = round_.verification.scores
    rates = "  ".join(f"TAR@{far} {'unresolved' if tar is None else f'{tar:.2%}'}" for far, tar in scores.tar.items())
    print(f"round {round_.number}  {rates}  AUC {scores.auc:.4f}  EER {scores.eer:.2%}")


def simulate_mine(plan: Plan) -> SimulationResult:
    """Simulate ``plan`` with `MY_STRATEGY` in the place of FedFace, in this process only."""
    original = STRATEGIES["fedface"]
    STRATEGIES["fedface"] = MY_STRATEGY
    try:
        return simulate(plan, show)
    finally:
        STRATEGIES["fedface"] = original


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the plan, simulate it, and print the SHA-256 of the last model version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", nargs="?", type=Path, default=Path(__file__).with_name("plan.toml"))
    parser.add_argument("--mine", action="store_true", help="use my_strategy.py in the place of FedFace")
    options = parser.parse_args(arguments)
    use_deterministic_torch(threads=1)
    plan = read_plan(options.plan)
    result = simulate_mine(plan) if options.mine else simulate(plan, show)
    print(f"model {result.model_sha256}")


if __name__ == "__main__":
    main()
