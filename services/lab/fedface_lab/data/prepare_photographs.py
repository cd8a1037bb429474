"""Aligns a tree of raw photographs: writes an aligned image, under the same path, for each photograph with a face."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.whole_file import write_whole
from fedface_lab.data.aligned_paths import aligned_paths, written_format
from fedface_lab.data.face_points import Face, FindFace
from fedface_lab.data.listed_faces import ListedFaces
from fedface_lab.data.prepare_journal import (
    JOURNAL,
    REPORT,
    Journal,
    PhotographOutcome,
    PreparationReport,
    PreparationSettings,
)
from fedface_learning.data.alignment import TEMPLATES, Template, align
from fedface_learning.data.photograph_tree import PhotographTree, in_natural_order, list_photographs
from fedface_learning.data.photographs import read_photograph
from fedface_learning.processes import in_order, worth_starting
from fedface_stack.folder_lock import folder_locked


def photographs_in(source: Path) -> PhotographTree:
    """The tree of photographs below ``source``. `InvalidInputError` if there is no such folder, or no photograph in it."""
    if not source.is_dir():
        raise InvalidInputError(f"there is no folder {source}; a tree of photographs was expected")
    tree = list_photographs(source)
    if not any(tree.folders.values()):
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in tree.passed_over.items())
        instead = f"; it has {kinds}" if kinds else ""
        raise InvalidInputError(f"{source} holds no photographs, such as .jpg, .png, .webp or .heic files{instead}")
    return tree


def prepare_photographs(
    source: Path,
    target: Path,
    settings: PreparationSettings,
    faces: FindFace | ListedFaces,
    *,
    overwrite: bool = False,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> PreparationReport:
    """Align every photograph below ``source`` into ``target``, under the path that `aligned_paths` gives it.

    It skips the photographs that the target's journal names as aligned, so it goes on after it was stopped. With
    ``overwrite`` it starts again, and replaces files of the target. Up to so many ``workers`` align: processes, or with 1
    this process itself. ``on_progress`` gets the number of photographs that are done, and of all. Raises
    `InvalidInputError` if one folder lies within the other, if the target was prepared with other settings, if another
    process prepares it, or if a file of other content would be replaced without ``overwrite``.
    """
    source_path = Path(os.path.realpath(source))
    target_path = Path(os.path.realpath(target))
    if source_path == target_path or source_path in target_path.parents or target_path in source_path.parents:
        raise InvalidInputError(f"{target} and {source} lie within each other; prepare into a folder of its own")
    tree = photographs_in(source)
    for link in tree.links:
        linked = Path(os.path.realpath(link))
        if linked == target_path or linked in target_path.parents or target_path in linked.parents:
            raise InvalidInputError(f"{link} leads to {linked}, and {target} lies within it or around it; remove the link")
    photographs = in_natural_order(tree.photographs)
    listed = faces if isinstance(faces, ListedFaces) else None
    find_face = None if isinstance(faces, ListedFaces) else faces
    landmarks = listed.join(photographs) if listed else None
    paths = aligned_paths(photographs)
    busy = f"another `fedface data prepare` is at work in {target}: wait for it, or prepare into another folder"
    with folder_locked(target / JOURNAL, busy):
        journal = Journal.open(target, settings, restart=overwrite)
        left = [path for path in photographs if not (journal.is_aligned(path) and (target / paths[path]).is_file())]
        prepare = _Preparation(source, target, find_face, TEMPLATES[settings.template], overwrite)
        tasks = (_Task(path, paths[path], listed.face(path) if listed else None) for path in left)
        with closing(in_order(prepare, tasks, worth_starting(workers, len(left)))) as outcomes:
            for done, outcome in enumerate(outcomes, len(photographs) - len(left) + 1):
                journal.add(outcome)
                if on_progress:
                    on_progress(done, len(photographs))
        report = PreparationReport.of(
            settings,
            (journal.outcomes[path] for path in photographs),
            passed_over=tree.passed_over,
            renamed={path: paths[path] for path in photographs if paths[path] != path and journal.is_aligned(path)},
            landmarks=landmarks,
        )
        report_json = report.model_dump_json(indent=2, exclude_none=True, by_alias=True)
        write_whole(target / REPORT, report_json.encode())
    return report


@dataclass(frozen=True)
class _Task:
    """A photograph to align, by its path below the source, and the path of its aligned image below the target."""

    path: str
    aligned_path: str
    listed: Face | None
    """Its face, if faces are listed."""


@dataclass(frozen=True)
class _Preparation:
    """Aligns photographs, each by itself."""

    source: Path
    target: Path
    find_face: FindFace | None
    """None if faces are listed."""
    template: Template
    overwrite: bool

    def __call__(self, task: _Task) -> PhotographOutcome:
        """Align the photograph, and write its image unless it has no face or cannot be used."""
        output = self.target / task.aligned_path
        try:
            photograph = read_photograph(self.source / task.path)
            photograph = photograph.convert("L" if photograph.mode in ("1", "L", "LA") else "RGB")
            face = self.find_face(task.path, photograph) if self.find_face else task.listed
            if face is None:
                return PhotographOutcome(photograph=task.path, outcome="no face")
            aligned = _encoded(align(photograph, face.points, self.template), written_format(output.name))
        except InvalidInputError as error:
            return PhotographOutcome(photograph=task.path, outcome="refused", reason=str(error))
        if not self.overwrite and output.exists() and output.read_bytes() != aligned:
            raise InvalidInputError(
                f"{output} exists, and holds another image; prepare into another folder, or give --overwrite to replace it"
            )
        write_whole(output, aligned)
        return PhotographOutcome(photograph=task.path, outcome="aligned", faces=face.faces, taken=face.box)


def _encoded(image: Image.Image, image_format: str) -> bytes:
    """The image file. JPEG loses a little, at quality 95 and without chroma subsampling; other formats lose nothing."""
    file = BytesIO()
    image.save(file, format=image_format, **({"quality": 95, "subsampling": 0} if image_format == "JPEG" else {}))
    return file.getvalue()
