"""The simulation of `fedface bench scale` makes the calls that the services make, counted here message by message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from fedface_control.facts import handle_fact_of_its_run
from fedface_core.domain.commands import EvaluateModel, FoldShard, HandleFact, ReduceRound, TrainClients
from fedface_core.domain.facts import RoundAggregated, RoundEvaluated, RoundReady
from fedface_core.domain.run import ENDED
from loadtest.scale import calls
from loadtest.scale.calls import Call, RoundShape
from support.counted_calls import CountedServices
from support.tiny_run import tiny_plan, write_faces

CLIENTS = 8
SHARD = 4
ROUND = 2  # the first has the initial model, which processes know; from the third on control removes old updates
GAUSSIAN = {
    "strategy": {"name": "gaussian-negatives", "embedded_by": "trained"},  # so that each round has guidance of its own
    "local_training": {"learning_rate": 0.001},
}
UNMOVED = {"spreadout": {"steps": 0}, "local_training": {"margin": 1.0}}  # with a margin that leaves something to learn


def expected(*made: Iterable[Call]) -> Counter[str]:
    """How often each call is made; of publishing, how many messages."""
    counts: Counter[str] = Counter()
    for call in (call for each in made for call in each):
        counts[call.name] += int(call.units) if call.name == "publish" else call.times
    return counts


@pytest.fixture
def one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """All clients of a round are one task, as if it had eight times as many."""
    monkeypatch.setattr("fedface_core.domain.client_tasks.WORKERS", 1)


@pytest.mark.usefixtures("one_task")
@pytest.mark.parametrize(
    ("changes", "has_rows", "rows_move"),
    [
        ({}, True, True),
        ({"delivery": "combined"}, True, True),
        (UNMOVED, True, False),
        (GAUSSIAN, False, True),
    ],
    ids=["single", "combined", "rows that stay", "without rows"],
)
def test_each_message_makes_the_calls_that_are_simulated(
    tmp_path: Path, changes: dict[str, Any], has_rows: bool, rows_move: bool
) -> None:
    faces = write_faces(tmp_path, identities=CLIENTS + 2)
    plan = tiny_plan(faces, rounds=ROUND + 1, split={"clients": CLIENTS}, cohort={"shard_size": SHARD}, **changes)
    combined = plan.delivery == "combined"
    shape = RoundShape(CLIENTS, SHARD, 0.001, has_rows, rows_move)
    of_kind = messages_of_the_round(CountedServices(plan))
    delivered = [calls.delivery(shape, CLIENTS)]
    if combined:
        delivered = [calls.combined_delivery(shape, SHARD) for _ in range(shape.shards)]
    assert of_kind[TrainClients] == [
        expected(
            calls.client_task(),
            calls.opened_round(shape),
            calls.before_training(shape, CLIENTS, combined=combined),
            *delivered,
            *(calls.shard_is_complete() for _ in range(shape.shards)),  # the last one tells control that the round is ready
        )
    ]
    objects = 1 if combined else SHARD
    folds = [
        expected(
            calls.model_version(shape) if is_first else (),
            calls.cohort(shape) if is_first else (),
            calls.look_at_shard(shape),
            calls.read_updates(objects, 0.001),
            calls.put_partial(shape),
            calls.record_partial(is_last=not is_first),
        )
        for is_first in (True, False)
    ]
    assert of_kind[FoldShard] == folds
    assert of_kind[ReduceRound] == [
        expected(
            calls.gather(shape, shape.shards),
            calls.put_results(shape),
            [Call("put_all")] if has_rows and rows_move else (),
        )
    ]
    assert of_kind[RoundReady] == [expected(calls.close(shape, unfolded=1))]
    assert of_kind[RoundAggregated] == [expected(calls.take_aggregation(shape))]
    assert of_kind[EvaluateModel] == [expected(calls.evaluate(shape))]
    assert of_kind[RoundEvaluated] == [expected(calls.finish_and_open(shape, tasks=1))]


def messages_of_the_round(services: CountedServices) -> dict[type, list[Counter[str]]]:
    """Command or fact → the calls that each such message of round `ROUND` made. No process knows of the round before."""
    run_id = services.start()
    services.handlers[HandleFact] = lambda command, correlation_id: handle_fact_of_its_run(
        services.ports, command, correlation_id
    )
    services.until(run_id, lambda run: run.phase in ENDED)
    of_kind: dict[type, list[Counter[str]]] = {}
    for command, counts in services.of_messages:
        about = command.fact if isinstance(command, HandleFact) else command
        if getattr(about, "round", None) == ROUND:
            of_kind.setdefault(type(about), []).append(counts)
    return of_kind
