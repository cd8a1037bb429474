"""Stand-ins for the data sets of published protocols: their files and layouts, with tiny faces."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation import ProtocolName, open_protocol

HEADER = "TEMPLATE_ID,SUBJECT_ID,FILE,MEDIA_ID,SIGHTING_ID,FRAME,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT,FACE_YAW"


def face(person: int, number: int) -> Image.Image:
    """A 24×24 pattern of the person, with a little noise that the number draws."""
    pattern = np.random.default_rng(person).integers(40, 200, (4, 4)).repeat(6, axis=0).repeat(6, axis=1)
    noise = np.random.default_rng((person, number)).integers(-20, 20, (24, 24))
    return Image.fromarray((pattern + noise).astype(np.uint8))


def save_face(path: Path, person: int, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    face(person, number).save(path)


def lfw_tree(root: Path, people: int = 12, images: int = 3) -> None:
    """Write the images of LFW's layout: `images/P00/P00_0001.png` …"""
    for person in range(people):
        for number in range(1, images + 1):
            save_face(root / "images" / f"P{person:02}" / f"P{person:02}_{number:04}.png", person, number)


def lfw_pairs(folds: int, pairs: int, header: str) -> str:
    """The text of a pairs file: matched pairs of a person, then mismatched pairs of that person and the next one."""
    lines = [header]
    for fold in range(folds):
        people = [(fold + pair) % 12 for pair in range(pairs)]
        lines += [f"P{person:02}\t1\t{2 + pair % 2}" for pair, person in enumerate(people)]
        lines += [f"P{person:02}\t{1 + pair % 3}\tP{(person + 1) % 12:02}\t2" for pair, person in enumerate(people)]
    return "\n".join(lines) + "\n"


def encoded(person: int, number: int) -> bytes:
    buffer = io.BytesIO()
    face(person, number).save(buffer, format="PNG")
    return buffer.getvalue()


def packed_set(path: Path, pairs: int = 20, protocol: int = 2) -> None:
    """Write a `.bin` set as Python 3 pickles it: genuine and impostor pairs in turn."""
    images = [encoded((pair + (side and pair % 2)) % 7, side) for pair in range(pairs) for side in (0, 1)]
    path.write_bytes(pickle.dumps((images, [pair % 2 == 0 for pair in range(pairs)]), protocol=protocol))


def ijb_a_tree(root: Path, splits: int = 10) -> None:
    """Write IJB-A's layout. Each split has four people with a still and a two-frame video as gallery, and five probes.

    Three probes are of people of the gallery, two of others.
    """
    for person in range(6):
        for number in range(4):
            big = Image.new("L", (60, 50), 128)
            big.paste(face(person, number), (20 + person, 10))
            path = root / "images" / "img" / f"{person}_{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            big.save(path)
            save_face(root / "aligned" / "img" / f"{person}_{number}-{person}.png", person, number)

    def rows(template: int, person: int, numbers: tuple[int, ...], medium: int) -> list[str]:
        return [
            f"{template},{person},img/{person}_{number}.png,{medium + (number > 1)},{person},,"
            f"{20.2 + person},10,24,23.9,12.5"
            for number in numbers
        ]

    gallery = [row for person in range(4) for row in rows(100 + person, person, (0, 2, 3), 10 * person)]
    probes = [row for person in (0, 1, 2, 4, 5) for row in rows(200 + person, person, (1,), 10 * person + 5)]
    pairs = [f"{100 + one},{200 + other}" for one in range(4) for other in (0, 1, 2, 4, 5)]
    for split in range(1, splits + 1):
        for name, lines in (
            (f"IJB-A_11_sets/split{split}/verify_metadata_{split}.csv", [HEADER, *gallery, *probes]),
            (f"IJB-A_11_sets/split{split}/verify_comparisons_{split}.csv", pairs),
            (f"IJB-A_1N_sets/split{split}/search_gallery_{split}.csv", [HEADER, *gallery]),
            (f"IJB-A_1N_sets/split{split}/search_probe_{split}.csv", [HEADER, *probes]),
        ):
            path = root / "protocol" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n")


def ijb_bc_tree(root: Path, prefix: str = "ijbb", galleries: tuple[str, str] = ("S1", "S2")) -> None:
    """Write IJB-B's or IJB-C's layout: six people, three in each gallery, and twelve probes, two of each person.

    The pairs are all pairs of a gallery template and a probe template.
    """
    (root / "meta").mkdir(parents=True)
    media: list[str] = []
    people: dict[int, int] = {}
    for person in range(6):
        for template, numbers in ((person, (0, 1)), (10 + person, (2,)), (20 + person, (3, 4))):
            people[template] = person
            for number in numbers:
                name = f"{person * 5 + number + 1}.jpg"
                save_face(root / "images" / name, person, number)
                media.append(f"{name} {template} {template * 10 + (number % 2 if template < 10 else 0)}")
    (root / "meta" / f"{prefix}_face_tid_mid.txt").write_text("\n".join(media) + "\n")
    pairs = [f"{one} {other} {int(people[one] == people[other])}" for one in range(6) for other in people if other >= 10]
    (root / "meta" / f"{prefix}_template_pair_label.txt").write_text("\n".join(pairs) + "\n")
    listed = {
        f"gallery_{galleries[0]}": range(3),
        f"gallery_{galleries[1]}": range(3, 6),
        "probe_mixed": [template for template in people if template >= 10],
    }
    for name, templates in listed.items():
        lines = [f"{template},{people[template]},img/x.jpg,{template}" for template in templates]
        text = "\n".join(["TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID", *lines]) + "\n"
        (root / "meta" / f"{prefix}_1N_{name}.csv").write_text(text)


def refused(name: ProtocolName, files: Path, images: Path | None, path: Path | None = None) -> str:
    """The message with which a protocol's files are refused. It has FILE for ``path``, which is ``files`` by default."""
    with pytest.raises(InvalidInputError) as error:
        open_protocol(name, files, images)
    return str(error.value).replace(str(path or files), "FILE")
