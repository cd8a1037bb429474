"""Stand-ins for LFW, a `.bin` set and IJB-C with aligned faces in the size and colours of published networks."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from support.protocol_trees import face, ijb_bc_tree, lfw_pairs, lfw_tree

PEOPLE = 4


def enlarge(folder: Path, side: int) -> None:
    """Make the faces below ``folder`` square RGB images of ``side`` pixels, under their own names."""
    for path in folder.rglob("*.*"):
        with Image.open(path) as small:
            small.convert("RGB").resize((side, side)).save(path)


def lfw_stand_in(root: Path, side: int) -> list[str]:
    """Write twelve people with three images and two folds of two pairs of each kind, and return the options."""
    lfw_tree(root)
    enlarge(root / "images", side)
    (root / "pairs.txt").write_text(lfw_pairs(2, 2, "2\t2"))
    return ["--protocol", "lfw", "--files", str(root / "pairs.txt"), "--images", str(root / "images")]


def packed_stand_in(root: Path, side: int) -> list[str]:
    """Write a `.bin` set of ten pairs, and return the options."""
    images = []
    for pair in range(10):
        for number in (0, 1):
            buffer = io.BytesIO()
            own = face((pair + (number and pair % 2)) % PEOPLE, number)
            own.convert("RGB").resize((side, side)).save(buffer, format="JPEG")
            images.append(buffer.getvalue())
    root.mkdir(parents=True, exist_ok=True)
    (root / "lfw.bin").write_bytes(pickle.dumps((images, [pair % 2 == 0 for pair in range(10)])))
    return ["--protocol", "insightface-bin", "--files", str(root / "lfw.bin")]


def ijb_c_stand_in(root: Path, side: int) -> list[str]:
    """Write the folder `meta` and the faces of six people, and return the options."""
    ijb_bc_tree(root, "ijbc", ("G1", "G2"))
    enlarge(root / "images", side)
    return ["--protocol", "ijb-c", "--files", str(root / "meta"), "--images", str(root / "images")]


STAND_INS: dict[str, Callable[[Path, int], list[str]]] = {
    "lfw": lfw_stand_in,
    "insightface-bin": packed_stand_in,
    "ijb-c": ijb_c_stand_in,
}
"""A protocol → what writes its stand-in below a folder, with faces of so many pixels a side."""
