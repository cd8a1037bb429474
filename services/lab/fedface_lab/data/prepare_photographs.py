"""From raw photographs to aligned faces: a tree of the same paths, one aligned image for each photograph with a face."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.data.face_points import FindFace
from fedface_lab.data.prepare_journal import JOURNAL, REPORT, Asked, Journal, Outcome, Report
from fedface_learning.data.alignment import TEMPLATES, Template, align
from fedface_learning.data.dataset import natural_sort_key
from fedface_learning.data.photographs import read_photograph
from fedface_stack.folder_lock import folder_locked

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".pgm": "PPM"}


def photographs_in(source: Path) -> list[str]:
    """The paths of all .jpg, .jpeg, .png and .pgm files below ``source``, hidden ones apart, in natural order."""
    if not source.is_dir():
        raise InvalidInputError(f"there is no folder {source}; a tree of photographs was expected")
    found = [
        file.relative_to(source)
        for file in source.rglob("*")
        if file.suffix.lower() in _FORMATS and file.is_file() and not _hidden(file.relative_to(source))
    ]
    if not found:
        raise InvalidInputError(f"{source} holds no .jpg, .jpeg, .png or .pgm photographs")
    return sorted((path.as_posix() for path in found), key=lambda path: [natural_sort_key(part) for part in path.split("/")])


def prepare(
    source: Path,
    target: Path,
    asked: Asked,
    find: FindFace,
    *,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Align every photograph below ``source`` into ``target``, where it keeps its path and its format.

    What the target's journal says is done is left out, so that a preparation that was stopped goes on. A file that stands
    where another would be written is refused, unless ``overwrite``, which begins anew. ``on_progress`` gets how many
    photographs are done, and of how many. `InvalidInputError` also where one folder lies within the other.
    """
    ours, theirs = source.resolve(), target.resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise InvalidInputError(f"{target} and {source} lie within each other; prepare into a folder of its own")
    photographs = photographs_in(source)
    busy = f"another `fedface data prepare` is at work in {target}: wait for it, or prepare into another folder"
    with folder_locked(target / JOURNAL, busy):
        journal = Journal.begin(target, asked, anew=overwrite)
        for done, path in enumerate(photographs, 1):
            if not (journal.settled(path) and (target / path).is_file()):
                journal.add(_prepare_one(source, target, path, find, TEMPLATES[asked.template], overwrite))
            if on_progress:
                on_progress(done, len(photographs))
        report = Report.of(asked, (journal.outcomes[path] for path in photographs))
        _write(target / REPORT, report.model_dump_json(indent=2, exclude_none=True).encode())
    return report


def _prepare_one(source: Path, target: Path, path: str, find: FindFace, template: Template, overwrite: bool) -> Outcome:
    try:
        photograph = read_photograph(source / path)
        photograph = photograph.convert("L" if photograph.mode in ("1", "L", "LA") else "RGB")
        face = find(path, photograph)
        if face is None:
            return Outcome(photograph=path, outcome="no face")
        aligned = _encoded(align(photograph, face.points, template), _FORMATS[Path(path).suffix.lower()])
    except InvalidInputError as error:
        return Outcome(photograph=path, outcome="refused", reason=str(error))
    place = target / path
    if not overwrite and place.exists() and place.read_bytes() != aligned:
        raise InvalidInputError(
            f"{place} stands where another image would be written; prepare into another folder, or give --overwrite"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    _write(place, aligned)
    return Outcome(photograph=path, outcome="aligned", faces=face.faces, taken=face.box)


def _encoded(image: Image.Image, image_format: str) -> bytes:
    """JPEG as good as it gets without growing past use; the other formats lose nothing."""
    file = BytesIO()
    image.save(file, format=image_format, **({"quality": 95, "subsampling": 0} if image_format == "JPEG" else {}))
    return file.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Beside its place, then into it, so that a crash leaves no half file there."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
