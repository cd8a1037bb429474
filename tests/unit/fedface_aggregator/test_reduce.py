"""A round is reduced once, and damaged partials are folded again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs

from fedface_core.domain.commands import HandleFact, ReduceRound
from fedface_core.domain.facts import RoundAggregated
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from fedface_learning.formats.codec import encode_tensors
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


def test_a_partial_of_an_older_version_is_folded_again(faces: Path) -> None:
    """An upgrade while a round is open may find partials with sums of models in float64."""
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda _: ReduceRound(run_id=run_id, round=1) in services.publisher.commands)
    artifacts = services.ports.artifacts
    counts = {"weight": 12.0, "images": 12, "folded": 2, "size": 1, "refused": {}, "loss_before": 0.5, "loss_after": 0.25}
    older = encode_tensors({"embedding.bias": torch.ones(4, dtype=torch.float64)}, counts)
    for key in artifacts.keys(f"runs/{run_id}/rounds/1/partials/"):
        artifacts.put(key, older)
    with capture_logs() as logs:
        run = services.to_end(run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(services.plan).model_sha256)
    reasons = [entry["reason"] for entry in logs if entry["event"] == "folded_again"]
    assert len(reasons) == 2
    assert all(reason.startswith("schema version 1 of a partial is not known here") for reason in reasons)


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


@pytest.mark.parametrize(("margin", "puts"), [(0.999999, 1), (-0.9, 3)], ids=["no row moves", "rows move"])
def test_class_embeddings_and_their_rows_are_put_only_if_a_row_has_moved(faces: Path, margin: float, puts: int) -> None:
    services = InProcess(tiny_plan(faces, spreadout={"margin": margin}))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert run.model_sha256 == simulate(services.plan).model_sha256
    put = [effect for effect in services.effect_log.effects if effect.startswith("put ") and effect.endswith(".f32")]
    assert len(put) == puts * (1 + services.plan.split.clients)  # W and its rows, in so many of three rounds
