"""IARPA Janus Benchmark A: ten splits, each with a 1:1 protocol and a 1:N protocol over templates.

The published files lie under one folder: `IJB-A_11_sets/splitN/verify_metadata_N.csv` and `verify_comparisons_N.csv` (two
template numbers a line, no header), `IJB-A_1N_sets/splitN/search_gallery_N.csv` and `search_probe_N.csv`; N from 1 to 10.
Source: B. F. Klare et al., *Pushing the Frontiers of Unconstrained Face Detection and Recognition*, CVPR 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

import numpy as np

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.bootstrap import draw_people
from fedface_learning.evaluation.faces import EmbeddedFaces, FaceFile
from fedface_learning.evaluation.figures import ProtocolResult
from fedface_learning.evaluation.named_images import ImageFiles
from fedface_learning.evaluation.template_files import Faces, Templates, refuse_overlap
from fedface_learning.evaluation.template_scores import Comparisons, Searches, template_figures
from fedface_learning.evaluation.text_files import pixels, read_lines, read_table, whole_number, wrong_line

SPLITS = range(1, 11)
FAR = (1e-2, 1e-3, 1e-4)
_NUMBERS = ("TEMPLATE_ID", "SUBJECT_ID", "MEDIA_ID")
_BOX = ("FACE_X", "FACE_Y", "FACE_WIDTH", "FACE_HEIGHT")
_VERIFICATION = "IJB-A_11_sets"
_SEARCH = "IJB-A_1N_sets"

FindFace = Callable[[Mapping[str, str], Path, int], FaceFile]
"""Finds the face of a table's row, given the row, the table's path and the line number."""


@dataclass(frozen=True)
class IjbA:
    """IJB-A, with all of its tasks whose files exist."""

    faces: Sequence[FaceFile]
    people: int
    """The number of different people."""
    comparisons: Sequence[Comparisons]
    """The 1:1 task of each split; empty if its files do not exist."""
    searches: Sequence[Searches]
    """The 1:N task of each split; empty if its files do not exist."""

    @classmethod
    def open(cls, folder: Path, images: Path, *, aligned: bool) -> Self:
        """Read the protocol under ``folder``. `InvalidInputError` if a file is missing or malformed.

        Faces are cut from the published photographs under ``images`` by the protocol's boxes. With ``aligned``, each face is
        a file of its own under ``images``, ``FILE-SIGHTING_ID.jpg``, where FILE has no suffix. Both parts are needed: an
        image may have several faces, and frames of one video may have equal SIGHTING_IDs.
        """
        faces = Faces()
        people = dict[int, int]()
        files = ImageFiles(images)
        find = _find_aligned(files) if aligned else _find_boxed(files)
        tasks = {name for name in (_VERIFICATION, _SEARCH) if (folder / name).is_dir()}
        if not tasks:
            raise InvalidInputError(f"{folder} has neither {_VERIFICATION} nor {_SEARCH}: is it IJB-A's protocol?")
        comparisons = []
        searches = []
        for split in SPLITS:
            if _VERIFICATION in tasks:
                comparisons.append(_read_comparisons(folder / _VERIFICATION / f"split{split}", split, faces, people, find))
            if _SEARCH in tasks:
                searches.append(_read_searches(folder / _SEARCH / f"split{split}", split, faces, people, find))
        return cls(list(faces.index), len(people), comparisons, searches)

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """Each figure is the mean over splits ± their standard deviation. All splits share the resamples of people."""
        times = draw_people(self.people, resamples) if resamples else None
        tasks = ((_VERIFICATION, self.comparisons), (_SEARCH, self.searches))
        notes = [f"not evaluated: {name} is not among the files" for name, parts in tasks if not parts]
        figures, counts, cosines = template_figures(self.comparisons, self.searches, faces, FAR, times)
        return ProtocolResult("ijb-a", figures, counts, "standard deviation over 10 splits", notes, cosines)


def _read_comparisons(folder: Path, split: int, faces: Faces, people: dict[int, int], find: FindFace) -> Comparisons:
    metadata_file = folder / f"verify_metadata_{split}.csv"
    pair_file = folder / f"verify_comparisons_{split}.csv"
    templates = Templates(people)
    _read_templates(metadata_file, templates, faces, find)
    pairs = []
    for number, line in enumerate(read_lines(pair_file, "two template numbers a line"), start=1):
        fields = line.split(",")
        if len(fields) != 2:
            raise wrong_line(pair_file, number, "two template numbers with a comma between them", line)
        ids = [whole_number(field.strip(), pair_file, number, "a template number") for field in fields]
        pairs.append([templates.index_of(template, pair_file, number, metadata_file) for template in ids])
    first_P, second_P = np.array(pairs, dtype=np.intp).T
    person_T = templates.person_of_each()
    assert person_T is not None, "each row of the metadata names the subject"
    return Comparisons(templates.rows(), person_T, first_P, second_P, person_T[first_P] == person_T[second_P])


def _read_searches(folder: Path, split: int, faces: Faces, people: dict[int, int], find: FindFace) -> Searches:
    templates = Templates(people)
    probe_file = folder / f"search_probe_{split}.csv"
    gallery = _read_templates(folder / f"search_gallery_{split}.csv", templates, faces, find)
    probes = _read_templates(probe_file, templates, faces, find)
    refuse_overlap(gallery, probes, probe_file)
    person_T = templates.person_of_each()
    assert person_T is not None, "each row names the subject"
    gallery_G, probes_P = (
        np.array([index for template, index in templates.index.items() if template in role], dtype=np.intp)
        for role in (gallery, probes)
    )
    return Searches(templates.rows(), person_T, gallery_G, probes_P)


def _read_templates(path: Path, templates: Templates, faces: Faces, find: FindFace) -> set[int]:
    """Add the templates of the file, and return their numbers."""
    read = set()
    for number, row in read_table(path, (*_NUMBERS, "FILE", "SIGHTING_ID", *_BOX)):
        template, subject, medium = (whole_number(row[name], path, number, name) for name in _NUMBERS)
        templates.set_subject(template, subject, path, number)
        templates.add(template, medium, faces.add(find(row, path, number)))
        read.add(template)
    return read


def _find_boxed(images: ImageFiles) -> FindFace:
    def find(row: Mapping[str, str], path: Path, number: int) -> FaceFile:
        left, top, width, height = (pixels(row[name], path, number, name) for name in _BOX)
        if width < 1 or height < 1:
            raise wrong_line(path, number, "a face at least one pixel wide and high", f"{width}×{height}")
        return images.find(row["FILE"], (left, top, left + width, top + height))

    return find


def _find_aligned(images: ImageFiles) -> FindFace:
    def find(row: Mapping[str, str], path: Path, number: int) -> FaceFile:
        sighting = whole_number(row["SIGHTING_ID"], path, number, "SIGHTING_ID")
        image = PurePosixPath(row["FILE"])
        return images.find(str(image.parent / f"{image.stem}-{sighting}"))

    return find
