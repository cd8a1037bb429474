"""What the chaos scenario runs: a plan that is quick, and in which no fault can make a client fail."""

from __future__ import annotations

import uuid

from fedface_cli.plan_files import make_part
from fedface_core.domain.plan import Plan

# By this variable the processes of one stack are found, whatever they have become.
MARK = "FEDFACE_CHAOS_MARK"


def synthetic(clients: int, rounds: int, seed: int) -> Plan:
    """Rendered faces, a tiny network, several shards. With the deadline and the attempts out of reach, the accepted set
    is everybody, so that the two runs must agree to the byte.
    """
    return make_part(
        Plan,
        {
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
            "cohort": {"deadline_seconds": 86_400.0, "attempts": 1_000_000, "shard_size": 5},
            "local_training": {"steps": 2, "learning_rate": 0.05},
            "rounds": rounds,
            "retention": {"rounds_of_updates": rounds + 1},  # for the check that every accepted update is stored
            "seed": seed,
        },
    )


def impatient() -> dict[str, str]:
    """Settings for services that soon repeat what may be lost, and the mark of their processes."""
    return {"FEDFACE_SWEEP_SECONDS": "0.5", "FEDFACE_REPEAT_AFTER_SECONDS": "4", MARK: uuid.uuid4().hex}
