"""The sizes on which systems are compared: network, images and clients of each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from fedface_core.domain.plan import Plan
from loadtest.bench.no_op_plan import TINY_NETWORK
from loadtest.bench.reference_workload import REFERENCE_NETWORK

_TEST_IDENTITIES = 2  # the fewest that a plan may have: FedFace's rounds are evaluated, those of the peers are not


class Size(StrEnum):
    """The name of a size."""

    SPHERENET = "spherenet"
    MOBILEFACENET = "mobilefacenet"
    TINY = "tiny"
    """For the tests, and to see whether all systems start: a round takes almost no time."""


_PLANS: Final[Mapping[Size, dict[str, Any]]] = {
    Size.SPHERENET: {
        "model": REFERENCE_NETWORK,
        "data": {"dataset": "synthetic", "images_per_identity": 10},
        "split": {"clients": 200, "test": _TEST_IDENTITIES},
        "local_training": {"losses": "seen", "steps": 5, "learning_rate": 0.05},
    },
    Size.MOBILEFACENET: {
        "model": {"architecture": "mobilefacenet"},
        "data": {"dataset": "synthetic", "images_per_identity": 3},
        "split": {"clients": 50, "test": _TEST_IDENTITIES},
        # BatchNorm over three images of one face amplifies rounding errors: at a higher rate the models would not agree.
        "local_training": {"losses": "seen", "steps": 2, "learning_rate": 0.002},
    },
    Size.TINY: {
        "model": TINY_NETWORK,
        "data": {"dataset": "synthetic", "images_per_identity": 3},
        "split": {"clients": 6, "test": _TEST_IDENTITIES},
        "local_training": {"losses": "seen", "steps": 2, "learning_rate": 0.05},
    },
}


def plan_of(size: Size) -> Plan:
    """The plan of a size, with one training round."""
    return Plan.model_validate(
        _PLANS[size] | {"name": f"peers: {size}", "rounds": 1, "cohort": {"deadline_seconds": 3600.0}}
    )
