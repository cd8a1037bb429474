"""The workload that simulators of federated learning are compared on: a small network, a few images a client, everybody."""

from __future__ import annotations

from fedface_core.domain.plan import Plan


def reference_plan(clients: int, rounds: int) -> Plan:
    """``clients`` with 10 grey images each at 56×48, SphereNet-4 of 294,128 parameters, five steps on all images at once."""
    return Plan.model_validate(
        {
            "name": f"bench: {clients} clients",
            "model": {
                "architecture": "spherenet-4",
                "height": 56,
                "width": 48,
                "channels": 1,
                "embedding_size": 128,
                "widths": [16, 32, 64, 128],
            },
            "data": {"dataset": "synthetic", "images_per_identity": 10},
            "split": {"clients": clients, "test": 2},
            "local_training": {"steps": 5, "learning_rate": 0.01, "momentum": 0.9},
            "rounds": rounds,
        }
    )
