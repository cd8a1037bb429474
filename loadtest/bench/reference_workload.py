"""The workload on which simulators of federated learning are compared: a small network, ten images a client, all clients."""

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
"""A plan's part `model`: a network of 294,128 parameters."""


def reference_plan(
    clients: int,
    rounds: int,
    losses: Literal["measured", "seen"] = "seen",
    delivery: Literal["single", "combined"] = "single",
) -> Plan:
    """A plan of ``clients`` with 10 grey images each at 56×48, `REFERENCE_NETWORK`, and five steps on all images at once.

    By default the clients report the losses that their training steps see, since no bare loop measures a loss separately.
    """
    return Plan.model_validate(
        {
            "name": f"bench: {clients} clients",
            "model": REFERENCE_NETWORK,
            "data": {"dataset": "synthetic", "images_per_identity": 10},
            "split": {"clients": clients, "test": 2},
            "local_training": {"steps": 5, "learning_rate": 0.01, "momentum": 0.9, "losses": losses},
            "delivery": delivery,
            "rounds": rounds,
        }
    )
