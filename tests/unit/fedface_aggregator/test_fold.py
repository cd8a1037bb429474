"""When a shard is folded, and what a damaged model version does to it."""

from __future__ import annotations

from pathlib import Path

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import FoldShard
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from support.in_process import InProcess
from support.tiny_run import tiny_plan


def test_a_damaged_model_version_is_no_reference_for_updates(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    services.until(run_id, lambda _: any(type(command) is FoldShard for command in services.publisher.commands))
    key = object_keys.model(services.ports.ledger.load_round(run_id, 1).model_sha256)
    services.ports.artifacts.put(key, b"damaged")
    services.restart_services()  # the running ones have it in memory
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert (run.failure or "").startswith(f"round 1: its updates cannot be summed: the object {key} has the SHA-256 ")


def test_a_stray_message_does_not_fold_a_shard_whose_clients_have_not_settled(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    services.deliver(FoldShard(run_id=run_id, round=0, shard=0), "stray")
    assert services.ports.artifacts.keys(f"runs/{run_id}/rounds/0/partials/") == []
    assert services.ports.ledger.tally(run_id, 0).folded_shards == frozenset()


def test_a_shard_is_folded_before_the_round_closes(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    ledger = services.ports.ledger
    services.until(run_id, lambda run: run.round == 0 and bool(ledger.tally(run_id, 0).folded_shards))
    assert ledger.load_round(run_id, 0).phase is RoundPhase.OPEN


def test_a_shard_of_a_finished_round_is_not_folded_again(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run = services.run()
    effects = len(services.effect_log.effects)
    services.deliver_now(FoldShard(run_id=run.id, round=1, shard=0))
    assert services.effect_log.effects[effects:] == []
