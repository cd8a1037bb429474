"""A plan with a tiny network whose training changes nothing, so that a run of it measures the services alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

_TEST_IDENTITIES = 8
_HEIGHT = 28
_WIDTH = 24
TINY_NETWORK: Final[dict[str, Any]] = {
    "architecture": "spherenet-4",
    "height": _HEIGHT,
    "width": _WIDTH,
    "channels": 1,
    "embedding_size": 16,
    "widths": [4, 8, 8, 8],
}
"""A plan's part `model`: a network of 2,060 parameters."""


def no_op_plan(
    clients: int,
    rounds: int,
    deadline_seconds: float = 600.0,
    delivery: Literal["single", "combined"] = "single",
    at_once: int = 1,
) -> dict[str, Any]:
    """The body of ``POST /runs``: a plan with every client in every cohort, and no gradient step."""
    return {
        "name": f"load: {clients} clients",
        "model": TINY_NETWORK,
        "data": {"dataset": "synthetic", "images_per_identity": 2},
        "split": {"clients": clients, "test": _TEST_IDENTITIES},
        "cohort": {"deadline_seconds": deadline_seconds},
        "local_training": {"steps": 0, "vectorised_clients": at_once},
        "delivery": delivery,
        "rounds": rounds,
    }


def write_noise_photographs(folder: Path, clients: int) -> dict[str, Any]:
    """Write a data set for `no_op_plan`, and return the plan's part `data` that names it.

    Every identity has hard links to the same two small photographs of noise: to draw the synthetic faces of a client takes
    longer than all the services need for it.
    """
    from PIL import Image

    for name in ("1.png", "2.png"):
        Image.effect_noise((_WIDTH, _HEIGHT), 64).save(folder / name)
    for identity in range(clients + _TEST_IDENTITIES):
        person = folder / f"people/{identity}"
        person.mkdir(parents=True)
        for name in ("1.png", "2.png"):
            (person / name).hardlink_to(folder / name)
    return {"data": {"dataset": "folder", "folder": str(folder / "people")}}
