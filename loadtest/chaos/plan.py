"""What chaos runs: a plan that is quick and in which no fault can make a client fail, and settings of the services."""

from __future__ import annotations

import uuid
from typing import Any

from fedface_cli.plan_files import make_part
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch

MARK = "FEDFACE_CHAOS_MARK"
"""The environment variable by which every process of one stack is found, whatever its name and its parent are."""


_A_DAY = 86_400.0
_A_MINUTE = 60.0


def synthetic_plan(clients: int, rounds: int, seed: int) -> Plan:
    """A plan on rendered faces, with a tiny network and several shards. `InvalidInputError` if a number is out of range.

    Neither the deadline nor the limit of attempts can be reached. So every update is accepted, and two runs of the plan give
    byte-identical models.
    """
    return make_part(Plan, _document(clients, rounds, seed))


def combined_plan(clients: int, rounds: int, seed: int) -> Plan:
    """As `synthetic_plan`, in shards that are larger than a task: what a worker trains of one shard is one object."""
    document = _document(clients, rounds, seed)
    changes = {
        "name": f"chaos: {clients} clients, delivered together",
        "delivery": "combined",
        "cohort": document["cohort"] | {"shard_size": 16},
    }
    return make_part(Plan, document | changes)


def masked_plan(clients: int, rounds: int, seed: int) -> Plan:
    """As `synthetic_plan`, with class embeddings that stay with their clients, and masks against an aggregator that lies."""
    document = _document(clients, rounds, seed)
    masks = {"against": "lying", "corrupt": 0.1, "sharing_deadline_seconds": _A_DAY, "unmasking_deadline_seconds": _A_DAY}
    changes = {
        "name": f"chaos: {clients} clients with masks",
        "strategy": "gaussian-negatives",
        "cohort": document["cohort"] | {"shard_size": 32},
        "secure_aggregation": masks,
    }
    return make_part(Plan, document | changes)


def plan_with_dropouts(clients: int, rounds: int, seed: int) -> Plan:
    """As `masked_plan`, and a tenth of the clients drops out at each task of a training round.

    Of a shard of 64 about 42 are left in the end, and 36 must sign. Each phase of a training round lasts until its deadline;
    who has not dropped out must answer by then, whatever is killed.
    """
    plan = masked_plan(clients, rounds, seed)
    masks = {"dropout": 0.4, "sharing_deadline_seconds": _A_MINUTE, "unmasking_deadline_seconds": _A_MINUTE}
    changes = {
        "name": f"chaos: {clients} clients with masks, of which many drop out",
        "cohort": {"shard_size": 64, "deadline_seconds": _A_MINUTE},
        "secure_aggregation": masks,
        "devices": {"dropout": 0.1},
    }
    return apply_merge_patch(plan, changes)


def _document(clients: int, rounds: int, seed: int) -> dict[str, Any]:
    return {
        "name": f"chaos: {clients} clients",
        "model": {
            "architecture": "spherenet-4",
            "height": 28,
            "width": 24,
            "channels": 1,
            "embedding_size": 32,
            "widths": [8, 8, 16, 16],
        },
        "data": {"dataset": "synthetic", "images_per_identity": 4, "seed": seed},
        "split": {"clients": clients, "test": 8, "seed": seed},
        "cohort": {"deadline_seconds": _A_DAY, "attempts": 1_000_000, "shard_size": 5},
        "local_training": {"steps": 2, "learning_rate": 0.05},
        "rounds": rounds,
        "retention": {"rounds_of_updates": rounds + 1},  # for the check that every accepted update is stored
        "seed": seed,
    }


def service_environment() -> dict[str, str]:
    """Environment variables of a stack's services: they soon repeat what may be lost, and carry a new `MARK`."""
    return {"FEDFACE_SWEEP_SECONDS": "0.5", "FEDFACE_REPEAT_AFTER_SECONDS": "4", MARK: uuid.uuid4().hex}
