"""IARPA Janus Benchmarks B and C, 1:1 and 1:N over templates, from the files that InsightFace distributes with its
evaluation.

The files of IJB-B lie in one folder: `ijbb_face_tid_mid.txt` (``1.jpg template medium``, an image a line),
`ijbb_template_pair_label.txt` (``template template 1`` or ``0``), and NIST's `ijbb_1N_gallery_S1.csv`,
`ijbb_1N_gallery_S2.csv` and `ijbb_1N_probe_mixed.csv` (TEMPLATE_ID, SUBJECT_ID, …). The names of IJB-C's files start with
``ijbc_``, and its galleries are G1 and G2. `ijbb_name_5pts_score.txt` (name, five points, score, an image a line) has the
scores of InsightFace's detector, by which faces may be weighed.
Sources: C. Whitelam et al., CVPRW 2017; B. Maze et al., ICB 2018; InsightFace, `recognition/_evaluation_/ijb`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.bootstrap import draw_people
from fedface_learning.evaluation.faces import EmbeddedFaces, FaceFile
from fedface_learning.evaluation.figures import ProtocolResult
from fedface_learning.evaluation.named_images import ImageFiles
from fedface_learning.evaluation.template_files import Faces, Templates, refuse_overlap
from fedface_learning.evaluation.template_scores import Comparisons, Searches, template_figures
from fedface_learning.evaluation.text_files import BOUNDS, read_lines, read_table, whole_number, wrong_line

FAR = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
GALLERIES = {"ijb-b": ("S1", "S2"), "ijb-c": ("G1", "G2")}
_FACE = "an image name, a template number and a medium number"
_SCORE = "an image name, ten coordinates and a score from 0 to 1"
_SCORE_FIELDS = 12
_MOST_SCORE = 1.001  # detectors round
_PAIR = "two template numbers and 1 (same person) or 0"


@dataclass(frozen=True)
class IjbBC:
    """IJB-B or IJB-C, with all of its tasks whose files exist."""

    name: str
    """``ijb-b`` or ``ijb-c``."""
    faces: Sequence[FaceFile]
    people: int
    """The number of different people; 0 if the files do not name them."""
    comparisons: Sequence[Comparisons]
    """The 1:1 task; empty if its file does not exist."""
    searches: Sequence[Searches]
    """The 1:N task of each gallery; empty if the files do not exist."""
    notes: Sequence[str]
    """What is not evaluated, and why."""
    detector_scores_N: npt.NDArray[np.float64] | None = None
    """The detector's score of each face (N,), if faces are weighed."""

    @classmethod
    def open(
        cls,
        name: Literal["ijb-b", "ijb-c"],
        folder: Path,
        images: Path,
        *,
        skip_missing: bool = False,
        weigh_faces: bool = False,
    ) -> Self:
        """Read the files in ``folder``. ``images`` has an image with one aligned face for each name in them.

        With ``skip_missing`` a template that the gallery, the probes or the pairs name, and that has no images, has failed
        to enrol. With ``weigh_faces`` each face counts by its detector's score. `InvalidInputError` if a file is missing or
        malformed, or names such a template without ``skip_missing``.
        """
        prefix = name.replace("-", "")
        media = folder / f"{prefix}_face_tid_mid.txt"
        faces = Faces()
        templates = Templates({}, skip_missing=skip_missing)
        _read_media(media, images, faces, templates)
        probes = folder / f"{prefix}_1N_probe_mixed.csv"
        galleries = [folder / f"{prefix}_1N_gallery_{gallery}.csv" for gallery in GALLERIES[name]]
        pairs = folder / f"{prefix}_template_pair_label.txt"
        missing = [path.name for path in (probes, *galleries) if not path.exists()]
        notes = []
        searches: list[Searches] = []
        if len(missing) < 3:
            searches = _read_searches(probes, galleries, templates, media)
        else:
            notes.append(f"1:N not evaluated: {', '.join(missing)} are not among the files")
        comparisons = []
        if pairs.exists():
            comparisons = [_read_comparisons(pairs, templates, media)]
            if comparisons[0].person_T is None:
                notes.append("no 1:1 intervals: the files do not name the people of all templates")
        elif searches:
            notes.append(f"1:1 not evaluated: {pairs.name} is not among the files")
        else:
            raise InvalidInputError(f"{folder} has neither {pairs.name} nor {', '.join(missing)}: nothing to evaluate")
        if templates.without_images:
            notes.append(
                f"templates without an image in {media.name}, which failed to enrol: {len(templates.without_images):,}"
            )
        scores_N = _read_detector_scores(folder / f"{prefix}_name_5pts_score.txt", images, faces) if weigh_faces else None
        return cls(name, list(faces.index), len(templates.people), comparisons, searches, notes, scores_N)

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """1:1 TAR at FAR, and 1:N figures as the mean over both galleries ± their standard deviation."""
        times = draw_people(self.people, resamples) if resamples and self.people else None
        if self.detector_scores_N is not None:
            faces = faces.weighed(self.detector_scores_N)
        figures, counts, cosines = template_figures(self.comparisons, self.searches, faces, FAR, times)
        return ProtocolResult(self.name, figures, counts, "standard deviation over both galleries", self.notes, cosines)


def _read_media(path: Path, images: Path, faces: Faces, templates: Templates) -> None:
    files = ImageFiles(images)
    for number, line in enumerate(read_lines(path, f"{_FACE} a line"), start=1):
        fields = line.split()
        if len(fields) != 3:
            raise wrong_line(path, number, _FACE, line)
        template = whole_number(fields[1], path, number, "a template number")
        medium = whole_number(fields[2], path, number, "a medium number")
        templates.add(template, medium, faces.add(files.find(fields[0])))


def _read_detector_scores(path: Path, images: Path, faces: Faces) -> npt.NDArray[np.float64]:
    """The score of each face (N,). `InvalidInputError` if a line is malformed, or if a face has none."""
    files = ImageFiles(images)
    scores_N = np.full(len(faces.index), np.nan)
    for number, line in enumerate(read_lines(path, f"{_SCORE} a line"), start=1):
        fields = line.split()
        face = faces.index.get(files.find(fields[0])) if len(fields) == _SCORE_FIELDS else None
        try:
            score = float(fields[-1])
        except (ValueError, IndexError):
            score = np.nan
        if len(fields) != _SCORE_FIELDS or not 0 <= score <= _MOST_SCORE:
            raise wrong_line(path, number, _SCORE, line)
        if face is not None:
            scores_N[face] = score
    without = [str(face) for face, score in zip(faces.index, scores_N, strict=True) if np.isnan(score)]
    if without:
        raise InvalidInputError(f"{path} has no score of {len(without):,} of the {len(scores_N):,} faces: {without[0]}")
    return scores_N


def _read_searches(probe_file: Path, galleries: Sequence[Path], templates: Templates, media: Path) -> list[Searches]:
    probes = _read_people(probe_file, templates, media)
    gallery_templates = [_read_people(path, templates, media) for path in galleries]
    for path, gallery in zip(galleries, gallery_templates, strict=True):
        refuse_overlap(set(gallery), set(probes), path)
    # A template whose person is in no file is in neither gallery nor probes.
    person_T = np.array([templates.person.get(template, -1) for template in templates.index], dtype=np.intp)
    probes_P = np.array(list(probes.values()), dtype=np.intp)
    rows = templates.rows()
    return [
        Searches(rows, person_T, np.array(list(gallery.values()), dtype=np.intp), probes_P) for gallery in gallery_templates
    ]


def _read_people(path: Path, templates: Templates, media: Path) -> dict[int, int]:
    """Template number → index, of the templates in a NIST file, which has a row for each face of a template.

    `InvalidInputError` if no template of the file has images.
    """
    index = {}
    for number, row in read_table(path, ("TEMPLATE_ID", "SUBJECT_ID")):
        template, subject = (whole_number(row[name], path, number, name) for name in ("TEMPLATE_ID", "SUBJECT_ID"))
        index[template] = templates.index_of(template, path, number, media)
        templates.set_subject(template, subject, path, number)
    if templates.without_images.issuperset(index):
        raise InvalidInputError(f"{path}: no template in it has an image in {media}; are they of one benchmark?")
    return index


def _read_comparisons(path: Path, templates: Templates, media: Path) -> Comparisons:
    pairs_P3 = _read_numbers(path)
    unknown = np.argwhere(~np.isin(pairs_P3[:, :2], np.array(list(templates.index), dtype=np.int64)))
    if len(unknown):
        row, column = unknown[0]
        number, _ = _filled_lines(path)[row]
        if not templates.skip_missing or len(unknown) == 2 * len(pairs_P3):  # all: these are the files of two benchmarks
            raise templates.unknown(int(pairs_P3[row, column]), path, number, media)
        for template in np.unique(pairs_P3[unknown[:, 0], unknown[:, 1]]):
            templates.index_of(int(template), path, number, media)
    numbers_T = np.array(sorted(templates.index), dtype=np.int64)
    index_T = np.array([templates.index[int(template)] for template in numbers_T], dtype=np.intp)
    wrong = np.flatnonzero(pairs_P3[:, 2] > 1)
    if len(wrong):
        number, line = _filled_lines(path)[wrong[0]]
        raise wrong_line(path, number, _PAIR, line)
    first_P, second_P = (index_T[np.searchsorted(numbers_T, pairs_P3[:, column])] for column in (0, 1))
    genuine_P = pairs_P3[:, 2] == 1
    person_T = templates.person_of_each()
    if person_T is not None:
        contradictions = np.flatnonzero((person_T[first_P] == person_T[second_P]) != genuine_P)
        if len(contradictions):
            first, second, label = pairs_P3[contradictions[0]]
            number, _ = _filled_lines(path)[contradictions[0]]
            are = "of two people" if label else "of one person"
            raise InvalidInputError(
                f"{path}, line {number}: the label is {label}, but templates {first} and {second} are {are} in the "
                "gallery and probe files"
            )
    return Comparisons(templates.rows(), person_T, first_P, second_P, genuine_P)


def _read_numbers(path: Path) -> npt.NDArray[np.int64]:
    """Read three whole numbers a line (P, 3). There are millions of lines, so NumPy reads them.

    If NumPy cannot, or there is too much to read, `InvalidInputError` says what is wrong, and names the line.
    """
    within_bounds = path.is_file() and path.stat().st_size <= BOUNDS.most_bytes
    pairs_P3 = _numbers_of(path) if within_bounds else None
    if pairs_P3 is not None and pairs_P3.shape[1:] == (3,) and pairs_P3.min(initial=0) >= 0:
        return pairs_P3
    for number, line in _filled_lines(path):
        fields = line.split()
        if len(fields) != 3:
            raise wrong_line(path, number, _PAIR, line)
        for value, what in zip(fields, ("a template number", "a template number", "a label"), strict=True):
            whole_number(value, path, number, what)
    raise InvalidInputError(f"{path} cannot be read as {_PAIR} a line")


def _numbers_of(path: Path) -> npt.NDArray[np.int64] | None:
    """The whole numbers of a file, a row a line; None if NumPy cannot read it, or if it has too many lines."""
    most = BOUNDS.most_lines
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # if a file has no numbers, NumPy only warns
            warnings.filterwarnings("ignore", "Input line .* contained no data")  # of a blank line, as it has max_rows
            rows = np.loadtxt(path, dtype=np.int64, comments=None, ndmin=2, encoding="utf-8-sig", max_rows=most + 1)
    except (OSError, ValueError, UserWarning):
        return None
    return rows if len(rows) <= most else None


def _filled_lines(path: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, with their line numbers. NumPy makes a row of each, and skips blank lines."""
    lines = read_lines(path, f"{_PAIR} a line")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
