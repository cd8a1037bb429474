"""The smallest plan there is: the network is tiny and training changes nothing, so the services themselves are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

_TEST_IDENTITIES = 8
_HEIGHT, _WIDTH = 28, 24
TINY_NETWORK: Final[dict[str, Any]] = {
    "architecture": "spherenet-4",
    "height": _HEIGHT,
    "width": _WIDTH,
    "channels": 1,
    "embedding_size": 16,
    "widths": [4, 8, 8, 8],
}
"""Of 2,060 parameters."""


def no_op_plan(clients: int, rounds: int, deadline_seconds: float = 600.0) -> dict[str, Any]:
    """The body of ``POST /runs``: every client in every cohort, no gradient step."""
    return {
        "name": f"load: {clients} clients",
        "model": TINY_NETWORK,
        "data": {"dataset": "synthetic", "images_per_identity": 2},
        "split": {"clients": clients, "test": _TEST_IDENTITIES},
        "cohort": {"deadline_seconds": deadline_seconds},
        "local_training": {"steps": 0},
        "rounds": rounds,
    }


def no_op_people(folder: Path, clients: int) -> dict[str, Any]:
    """The plan's part `data`, with a folder written for it: two small photographs each, of noise, the same for all.

    To draw the synthetic faces of a client takes longer than all the services need for it.
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
