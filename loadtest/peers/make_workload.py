"""Makes the work that every system does. For our own environment: the peers read what is made here."""

from __future__ import annotations

from typing import Any, Final

import torch

from fedface_core.domain.plan import Plan
from fedface_learning.data import open_photographs
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.simulation.federated_rounds import Federation
from fedface_learning.simulation.simulation_data import SimulationData
from loadtest.bench.no_op_plan import TINY_NETWORK
from loadtest.bench.reference_workload import REFERENCE_NETWORK
from loadtest.peers.workload import Workload

_TEST = 2  # identities, the fewest there may be: the evaluation is part of our rounds, and the peers have none

SIZES: Final[dict[str, dict[str, Any]]] = {
    "spherenet": {
        "model": REFERENCE_NETWORK,
        "data": {"dataset": "synthetic", "images_per_identity": 10},
        "split": {"clients": 200, "test": _TEST},
        "local_training": {"losses": "seen", "steps": 5, "learning_rate": 0.05},
    },
    "mobilefacenet": {
        "model": {"architecture": "mobilefacenet"},
        "data": {"dataset": "synthetic", "images_per_identity": 3},
        "split": {"clients": 50, "test": _TEST},
        # BatchNorm over three images of one face amplifies rounding: at a higher rate equal work would not look equal.
        "local_training": {"losses": "seen", "steps": 2, "learning_rate": 0.002},
    },
    # For the tests, and to see whether all systems start: a round takes no time.
    "tiny": {
        "model": TINY_NETWORK,
        "data": {"dataset": "synthetic", "images_per_identity": 3},
        "split": {"clients": 6, "test": _TEST},
        "local_training": {"losses": "seen", "steps": 2, "learning_rate": 0.05},
    },
}


def make_workload(size: str) -> Workload:
    """Render the images and enrol the clients, as a run of the plan does."""
    plan = Plan.model_validate(
        SIZES[size]
        | {
            "name": f"peers: {size}",
            "rounds": 1,
            "cohort": {"deadline_seconds": 3600.0},
        }
    )
    data = SimulationData.of(plan, open_photographs(plan))
    network = initial_network(plan.model, plan.seed)
    enrolled = Federation(plan, network, data).enrol()
    return Workload(
        plan,
        torch.stack([*data.images.values()]),
        decode_class_embeddings(enrolled.class_embeddings, plan.model.embedding_size),
        network_tensors(network),
    )
