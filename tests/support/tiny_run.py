"""A data set and a plan so small that a whole run takes a fraction of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fedface_core.domain.plan import Plan

SIDE = 8  # pixels


def write_faces(folder: Path, identities: int = 8, images: int = 2) -> Path:
    """Write a data set into ``folder`` and return the folder: each identity has a random pattern, each image adds noise."""
    draws = np.random.default_rng(0)
    for identity in range(identities):
        person = folder / f"person-{identity}"
        person.mkdir(parents=True)
        pattern = draws.uniform(0, 255, (SIDE, SIDE))
        for image in range(images):
            pixels = np.clip(pattern + draws.normal(0, 20, (SIDE, SIDE)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(person / f"{image}.png")
    return folder


def tiny_plan(folder: Path, **changes: Any) -> Plan:
    """A plan with four clients in two shards, two test identities and two training rounds.

    ``changes`` replace parts of the plan; a dictionary replaces only the values that it names.
    """
    parts: dict[str, Any] = {
        "model": {
            "architecture": "spherenet-4",
            "height": SIDE,
            "width": SIDE,
            "channels": 1,
            "embedding_size": 4,
            "widths": [2, 2, 2, 4],
        },
        "data": {"dataset": "folder", "folder": str(folder)},
        "split": {"clients": 4, "test": 2},
        # No deadline passes while a test advances the clock so that lost messages are repeated. Of so few clients, tests may
        # leave all but one without an update.
        "cohort": {"shard_size": 2, "deadline_seconds": 1e6, "minimum": 1},
        "local_training": {"steps": 1, "learning_rate": 0.05},
        "rounds": 2,
        "far": [0.5],
    }
    for name, change in changes.items():
        parts[name] = parts[name] | change if isinstance(parts.get(name), dict) else change
    return Plan.model_validate(parts)
