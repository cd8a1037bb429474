"""What a plan file may begin with, by name: the fields that it sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_PAPER: Final[dict[str, Any]] = {
    "rounds": 200,
    "model": {"architecture": "spherenet-64"},
    "data": {"dataset": "folder", "folder": "/photographs"},
    "split": {"public": 9000, "clients": 1000, "test": 50},
    "local_training": {"steps": 1, "batch_size": 256, "learning_rate": 0.01},
}
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "folder": {
        "name": "my people",
        "model": {"architecture": "dlib-resnet"},
        "data": {"dataset": "folder", "folder": "/photographs"},
        "split": {"clients": 100, "test": 50},
        "cohort": {"size": 40, "quorum": 30},
        "local_training": {"steps": 3, "learning_rate": 1e-4},
    },
    # Chosen by docs/settings/orl_cross_validation.md, the augmentation by docs/studies/orl_winner.toml.
    "orl": {
        "name": "ORL",
        "model": {"architecture": "dlib-resnet"},
        "data": {"dataset": "orl", "low_resolution": 20},
        "split": {"clients": 20, "test": 20},
        "local_training": {"steps": 3, "learning_rate": 1e-4, "augmentation": "strong"},
        "rounds": 6,
    },
    # Chosen by docs/studies/orl_validation.toml on validation people. It needs a network with a centre: docs/models.md.
    "orl-gaussian": {
        "name": "gaussian negatives on ORL",
        "rounds": 24,
        "model": {"architecture": "dlib-resnet", "centring": False},
        "data": {"dataset": "orl", "low_resolution": 20},
        "split": {"clients": 20, "test": 20},
        "cohort": {"max_update_norm": 10_000.0},
        "strategy": "gaussian-negatives",
        "local_training": {"steps": 1, "learning_rate": 1e-3, "losses": "seen", "schedule": "one-cycle"},
        "aggregation": {"optimiser": {"name": "sgd", "learning_rate": 1e-5}},
    },
    "synthetic": {
        "name": "rendered faces",
        "model": {
            "architecture": "spherenet-4",
            "height": 56,
            "width": 48,
            "embedding_size": 128,
            "widths": [16, 32, 64, 128],
        },
        "data": {"dataset": "synthetic", "images_per_identity": 12},
        "split": {"clients": 24, "test": 40},
        "local_training": {"steps": 3, "learning_rate": 0.05},
        "rounds": 4,
    },
    # docs/plans/rendered_faces.toml, for photographs of one's own. Its network is to be pre-trained on the public people.
    "gaussian-negatives": {
        "name": "my people and public ones",
        "rounds": 2000,
        "model": {
            "architecture": "spherenet-4",
            "height": 56,
            "width": 48,
            "embedding_size": 128,
            "widths": [24, 48, 96, 215],
        },
        "data": {"dataset": "folder", "folder": "/photographs", "images_per_client": 12},
        "split": {"public": 200, "clients": 200, "test": 150},
        "cohort": {"size": 5, "max_update_norm": 10_000.0},
        "strategy": {"name": "gaussian-negatives", "public_batch": 120, "guidance_every": 4},
        "local_training": {
            "steps": 1,
            "learning_rate": 1e-3,
            "losses": "seen",
            "schedule": "one-cycle",
            "augmentation": "strong",
        },
        "aggregation": {"optimiser": {"name": "sgd", "learning_rate": 0.1, "weight_decay": 2e-3}},
    },
    "paper-code": _PAPER
    | {
        "name": "FedFace as its authors' code means it",
        "spreadout": {"weight": 1.0, "step": "pair-mean", "momentum": 0.9, "at_enrolment": False},
    },
    "paper-code-as-written": _PAPER
    | {
        "name": "FedFace as its authors' code is written",
        "strategy": "chained",
        "cohort": {"size": 2, "minimum": 2},
    },
}
"""The presets by name, each with the fields that it sets: own photographs, the ORL database by FedFace and by our own
strategy, rendered faces, own photographs with public people among them, and the code that FedFace's authors published
(docs/faithfulness.md)."""
