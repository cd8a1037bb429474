"""The plans that `fedface demo` runs."""

from __future__ import annotations

from fedface_cli.plan_files import make_part
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan

_ORL_IDENTITIES = 40
_ORL_TEST = 20


def orl(clients: int | None = None, rounds: int | None = None, seed: int = 0) -> Plan:
    """The plan for the 40 people of the ORL database, at 20 pixels, with dlib's network: up to 20 clients, 20 test people.

    Its settings were chosen by cross-validation: docs/settings/orl_cross_validation.md. Raises `InvalidInputError` if
    ``clients`` is larger than 20.
    """
    clients = clients or 20
    most_clients = _ORL_IDENTITIES - _ORL_TEST
    if clients > most_clients:
        raise InvalidInputError(
            f"--clients {clients}: at most {most_clients}, for ORL has {_ORL_IDENTITIES} people "
            f"and {_ORL_TEST} are for the test"
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


def synthetic(clients: int | None = None, rounds: int | None = None, seed: int = 0) -> Plan:
    """The plan for rendered faces and a small network, which takes little time.

    Its weights are random; the demo pre-trains a model on the 200 public identities, and starts from that.
    """
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
                "weights": "random",
            },
            "data": {"dataset": "synthetic", "images_per_identity": 12, "seed": seed},
            "split": {"public": 200, "clients": clients or 24, "test": 40, "seed": seed},
            "local_training": {"steps": 3, "learning_rate": 0.05},
            "rounds": rounds or 4,
            "seed": seed,
        },
    )
