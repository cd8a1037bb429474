"""Writes RecordIO files as MXNet does: a record that holds the magic number is cut into parts there."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

MAGIC = struct.pack("<I", 0xCED7230A)


def grey_png(brightness: int, size: tuple[int, int] = (40, 48)) -> bytes:
    """A PNG file of one brightness."""
    file = BytesIO()
    Image.new("L", size, brightness).save(file, format="PNG")
    return file.getvalue()


def packed(labels: Sequence[float] | float, image: bytes = b"", number: int = 0) -> bytes:
    """The bytes of a record: header, labels, image."""
    if isinstance(labels, Sequence):
        return struct.pack("<IfQQ", len(labels), 0.0, number, 0) + struct.pack(f"<{len(labels)}f", *labels) + image
    return struct.pack("<IfQQ", 0, labels, number, 0) + image


def framed(record: bytes) -> bytes:
    """The record with its frame, padded to four bytes, as the file holds it."""
    cuts = [at for at in range(0, len(record) - 3, 4) if record[at : at + 4] == MAGIC]
    begins = [0, *(cut + 4 for cut in cuts)]
    ends = [*cuts, len(record)]
    parts = [record[begin:end] for begin, end in zip(begins, ends, strict=True)]
    kinds = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
    return b"".join(
        MAGIC + struct.pack("<I", kind << 29 | len(part)) + part + bytes(-len(part) % 4)
        for kind, part in zip(kinds, parts, strict=True)
    )


def write_records(folder: Path, records: dict[int, bytes]) -> Path:
    """Write ``train.rec`` and ``train.idx`` with the records, in the order of the mapping; returns ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    data = b""
    lines = []
    for number, record in records.items():
        lines.append(f"{number}\t{len(data)}\n")
        data += framed(record)
    (folder / "train.rec").write_bytes(data)
    (folder / "train.idx").write_text("".join(lines))
    return folder


def with_identities(people: Sequence[Sequence[bytes]]) -> dict[int, bytes]:
    """The records of InsightFace's layout: record 0, the images from record 1 on, then a record for each identity."""
    images: dict[int, bytes] = {}
    ranges = []
    for label, person in enumerate(people):
        begin = len(images) + 1
        images |= {begin + at: packed(float(label), image, begin + at) for at, image in enumerate(person)}
        ranges.append((begin, len(images) + 1))
    first = len(images) + 1
    identities = {first + at: packed([float(begin), float(end)]) for at, (begin, end) in enumerate(ranges)}
    return {0: packed([float(first), float(first + len(people))]), **images, **identities}
