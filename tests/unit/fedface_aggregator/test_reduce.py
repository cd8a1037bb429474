"""A round is reduced once, and damaged partials are folded again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.commands import HandleFact, ReduceRound
from fedface_core.domain.facts import RoundAggregated
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.tiny_run import tiny_plan


@pytest.mark.parametrize("damage", [b"", b"damaged", "cut"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_partial_is_folded_again(faces: Path, number: int, damage: bytes | str) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    reduce = ReduceRound(run_id=run_id, round=number)
    services.until(run_id, lambda _: reduce in services.publisher.commands)
    artifacts = services.ports.artifacts
    for key in artifacts.keys(f"runs/{run_id}/rounds/{number}/partials/"):
        artifacts.put(key, damage if isinstance(damage, bytes) else artifacts.get(key)[:-1])
    run = services.to_end(run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(services.plan).model_sha256)


def test_a_finished_round_is_not_reduced_again(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run = services.run()
    effects = len(services.effect_log.effects)
    services.deliver_now(ReduceRound(run_id=run.id, round=1))
    assert services.effect_log.effects[effects:] == []


def test_a_round_reduced_twice_is_reported_twice_and_computed_once(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    ledger = services.ports.ledger
    services.until(run_id, lambda run: any(type(command) is ReduceRound for command in services.publisher.commands))
    services.publisher.published.clear()
    assert ledger.load_round(run_id, 0).phase is RoundPhase.AGGREGATING
    for _ in range(2):
        effects = len(services.effect_log.effects)
        services.deliver(ReduceRound(run_id=run_id, round=0), ledger.load(run_id).correlation_id)
    assert services.effect_log.effects[effects:] == ["publish HandleFact"]
    first, second = services.publisher.commands
    assert first == second
    assert isinstance(first, HandleFact)
    assert isinstance(first.fact, RoundAggregated)
