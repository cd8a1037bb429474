"""The plans that `fedface demo` runs."""

from __future__ import annotations

from fedface_cli.plan_files import make_part
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan

_ORL_IDENTITIES = 40
_ORL_TEST = 20


def orl(clients: int | None = None, rounds: int | None = None, seed: int = 0) -> Plan:
    """The 40 people of the ORL database, reduced to 20 pixels, and a pre-trained network: 20 clients, 20 for the test.

    Chosen by cross-validation: docs/settings/orl_cross_validation.md.
    """
    clients = clients or 20
    most = _ORL_IDENTITIES - _ORL_TEST
    if clients > most:
        raise InvalidInputError(
            f"--clients {clients}: at most {most}, for ORL has {_ORL_IDENTITIES} people and {_ORL_TEST} are for the test"
        )
    return make_part(
        Plan,
        {
            "name": "FedFace on ORL",
            "model": {"architecture": "dlib-resnet"},
            "data": {"dataset": "orl", "low_resolution": 20},
            "split": {"clients": clients, "test": _ORL_TEST, "seed": seed},
            "local_training": {"steps": 3, "learning_rate": 1e-4},
            "rounds": rounds or 6,
            "seed": seed,
        },
    )


def synthetic(clients: int | None = None, rounds: int | None = None, seed: int = 0, weights: str = "random") -> Plan:
    """Rendered faces and a small network, for a machine without time: ``weights`` are to be pre-trained on 200 others."""
    return make_part(
        Plan,
        {
            "name": "FedFace on synthetic faces",
            "model": {
                "architecture": "spherenet-4",
                "height": 56,
                "width": 48,
                "embedding_size": 128,
                "widths": [16, 32, 64, 128],
                "weights": weights,
            },
            "data": {"dataset": "synthetic", "images_per_identity": 12, "seed": seed},
            "split": {"public": 200, "clients": clients or 24, "test": 40, "seed": seed},
            "local_training": {"steps": 3, "learning_rate": 0.05},
            "rounds": rounds or 4,
            "seed": seed,
        },
    )
