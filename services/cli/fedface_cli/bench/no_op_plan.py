"""The smallest plan there is: the network is tiny and training changes nothing, so the services themselves are measured."""

from __future__ import annotations

from typing import Any


def no_op_plan(clients: int, rounds: int, deadline_seconds: float = 600.0) -> dict[str, Any]:
    """The body of ``POST /runs``: every client in every cohort, no gradient step."""
    return {
        "name": f"load: {clients} clients",
        "model": {
            "architecture": "spherenet-4",
            "height": 28,
            "width": 24,
            "channels": 1,
            "embedding_size": 16,
            "widths": [4, 8, 8, 8],
        },
        "data": {"dataset": "synthetic", "images_per_identity": 2},
        "split": {"clients": clients, "test": 8},
        "cohort": {"deadline_seconds": deadline_seconds},
        "local_training": {"steps": 0},
        "rounds": rounds,
    }
