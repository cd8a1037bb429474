"""The workload that simulators of federated learning are compared on: a small network, a few images a client, everybody."""

from __future__ import annotations

from typing import Any, Final, Literal

from fedface_core.domain.plan import Plan

REFERENCE_NETWORK: Final[dict[str, Any]] = {
    "architecture": "spherenet-4",
    "height": 56,
    "width": 48,
    "channels": 1,
    "embedding_size": 128,
    "widths": [16, 32, 64, 128],
}
"""Of 294,128 parameters."""


def reference_plan(clients: int, rounds: int, losses: Literal["measured", "seen"] = "seen") -> Plan:
    """``clients`` with 10 grey images each at 56×48, SphereNet-4 of 294,128 parameters, five steps on all images at once.

    No bare loop measures a loss beside its steps, so by default neither do the clients.
    """
    return Plan.model_validate(
        {
            "name": f"bench: {clients} clients",
            "model": REFERENCE_NETWORK,
            "data": {"dataset": "synthetic", "images_per_identity": 10},
            "split": {"clients": clients, "test": 2},
            "local_training": {"steps": 5, "learning_rate": 0.01, "momentum": 0.9, "losses": losses},
            "rounds": rounds,
        }
    )
