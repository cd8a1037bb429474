"""Aligns a tree of raw photographs: writes an aligned image, under the same path, for each photograph with a face."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.whole_file import write_whole
from fedface_lab.data.face_points import FindFace
from fedface_lab.data.listed_faces import LandmarkCounts
from fedface_lab.data.prepare_journal import (
    JOURNAL,
    REPORT,
    Journal,
    PhotographOutcome,
    PreparationReport,
    PreparationSettings,
)
from fedface_learning.data.alignment import TEMPLATES, Template, align
from fedface_learning.data.dataset import natural_sort_key
from fedface_learning.data.photographs import read_photograph
from fedface_stack.folder_lock import folder_locked

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".pgm": "PPM"}


def photographs_in(source: Path) -> list[str]:
    """The relative paths of all .jpg, .jpeg, .png and .pgm files below ``source``, in natural order, without hidden ones.

    Raises `InvalidInputError` if there is no such folder, or no photograph in it.
    """
    if not source.is_dir():
        raise InvalidInputError(f"there is no folder {source}; a tree of photographs was expected")
    found = [
        file.relative_to(source)
        for file in source.rglob("*")
        if file.suffix.lower() in _FORMATS and file.is_file() and not _is_hidden(file.relative_to(source))
    ]
    if not found:
        raise InvalidInputError(f"{source} holds no .jpg, .jpeg, .png or .pgm photographs")
    return sorted((path.as_posix() for path in found), key=lambda path: [natural_sort_key(part) for part in path.split("/")])


def prepare_photographs(
    source: Path,
    target: Path,
    settings: PreparationSettings,
    find_face: FindFace,
    *,
    join: Callable[[Sequence[str]], LandmarkCounts] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> PreparationReport:
    """Align every photograph below ``source`` into ``target``, where it keeps its path and its format.

    It skips the photographs that the target's journal names as aligned, so it goes on after it was stopped. With
    ``overwrite`` it starts again, and replaces files of the target. ``join`` is called first, with all photographs, and the
    report has what it returns. ``on_progress`` gets the number of photographs that are done, and of all. Raises
    `InvalidInputError` if one folder lies within the other, if the target was prepared with other settings, if another
    process prepares it, or if a file of other content would be replaced without ``overwrite``.
    """
    source_path = Path(os.path.realpath(source))
    target_path = Path(os.path.realpath(target))
    if source_path == target_path or source_path in target_path.parents or target_path in source_path.parents:
        raise InvalidInputError(f"{target} and {source} lie within each other; prepare into a folder of its own")
    photographs = photographs_in(source)
    landmarks = join(photographs) if join else None
    busy = f"another `fedface data prepare` is at work in {target}: wait for it, or prepare into another folder"
    with folder_locked(target / JOURNAL, busy):
        journal = Journal.open(target, settings, restart=overwrite)
        for done, path in enumerate(photographs, 1):
            if not (journal.is_aligned(path) and (target / path).is_file()):
                journal.add(_prepare_photograph(source, target, path, find_face, TEMPLATES[settings.template], overwrite))
            if on_progress:
                on_progress(done, len(photographs))
        report = PreparationReport.of(settings, (journal.outcomes[path] for path in photographs), landmarks)
        report_json = report.model_dump_json(indent=2, exclude_none=True, by_alias=True)
        write_whole(target / REPORT, report_json.encode())
    return report


def _prepare_photograph(
    source: Path, target: Path, path: str, find_face: FindFace, template: Template, overwrite: bool
) -> PhotographOutcome:
    try:
        photograph = read_photograph(source / path)
        photograph = photograph.convert("L" if photograph.mode in ("1", "L", "LA") else "RGB")
        face = find_face(path, photograph)
        if face is None:
            return PhotographOutcome(photograph=path, outcome="no face")
        aligned = _encoded(align(photograph, face.points, template), _FORMATS[Path(path).suffix.lower()])
    except InvalidInputError as error:
        return PhotographOutcome(photograph=path, outcome="refused", reason=str(error))
    output = target / path
    if not overwrite and output.exists() and output.read_bytes() != aligned:
        raise InvalidInputError(
            f"{output} exists, and holds another image; prepare into another folder, or give --overwrite to replace it"
        )
    write_whole(output, aligned)
    return PhotographOutcome(photograph=path, outcome="aligned", faces=face.faces, taken=face.box)


def _encoded(image: Image.Image, image_format: str) -> bytes:
    """The image file. JPEG loses a little, at quality 95 and without chroma subsampling; other formats lose nothing."""
    file = BytesIO()
    image.save(file, format=image_format, **({"quality": 95, "subsampling": 0} if image_format == "JPEG" else {}))
    return file.getvalue()


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
