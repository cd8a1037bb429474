"""Any list of pairs of images: accuracy over ten folds, TAR at FAR, AUC and EER. P pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

import numpy as np
import numpy.typing as npt

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.faces import EmbeddedFaces, FaceFile
from fedface_learning.evaluation.figures import Figure, ProtocolResult, rate_figures
from fedface_learning.evaluation.listed_pairs import FAR, ListedPairs, index_names, same_sized_folds
from fedface_learning.evaluation.named_images import ImageFiles
from fedface_learning.evaluation.pair_list_files import Pair, read_pair_list
from fedface_learning.evaluation.template_files import Faces
from fedface_learning.evaluation.trials import People

FOLDS = 10
_NO_PEOPLE = "no intervals: the names of the images do not say who is in them, so people cannot be resampled"


@dataclass(frozen=True)
class PairList:
    """A list of pairs, in one of the layouts of `pair_list_files`."""

    name: str
    """The name of the file, without suffix."""
    faces: Sequence[FaceFile]
    pairs: ListedPairs
    notes: Sequence[str]
    """What the list was read as, and what it does not say."""

    @classmethod
    def open(cls, path: Path, images: Path) -> Self:
        """Read the list. ``images`` is the folder of its images.

        `InvalidInputError` if it is missing or malformed, or has fewer pairs of one kind than folds.
        """
        read = read_pair_list(path)
        genuine_P = np.array([pair.genuine for pair in read.pairs], dtype=np.bool_)
        fold_P = _folds(path, read.pairs, genuine_P)
        files = ImageFiles(images)
        named = {name: files.find(name) for pair in read.pairs for name in (pair.first, pair.second)}
        faces = Faces()  # a list may have two names for one file
        index = {name: faces.add(face) for name, face in named.items()}
        people_P2 = _people(read.pairs)
        listed = ListedPairs(
            first_P=np.array([index[pair.first] for pair in read.pairs], dtype=np.intp),
            second_P=np.array([index[pair.second] for pair in read.pairs], dtype=np.intp),
            genuine_P=genuine_P,
            fold_P=fold_P,
            people_P2=people_P2,
        )
        notes = [f"the list was read as {read.layout}", *([_NO_PEOPLE] if people_P2 is None else [])]
        return cls(path.stem, list(faces.index), listed, notes)

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """Accuracy with LFW's thresholds and ± its standard error, TAR at FAR, AUC and EER over the pairs of all folds."""
        scores_P = self.pairs.scores(faces)
        times = self.pairs.multiplicities(resamples)
        trials = self.pairs.trials(scores_P)
        return ProtocolResult(
            self.name,
            {
                "accuracy": self.pairs.accuracy(scores_P, times),
                **rate_figures("TAR at FAR", [trials], FAR, times),
                "AUC": Figure(trials.auc()),
                "EER": Figure(trials.eer()),
            },
            {"folds": len(np.unique(self.pairs.fold_P)), **self.pairs.counts(faces, scores_P)},
            "standard error over folds",
            self.notes,
            trials.cosines(),
        )


def _folds(path: Path, pairs: Sequence[Pair], genuine_P: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """The fold of each pair from 0 (P,): as the list gives it, else consecutive genuine and consecutive impostor pairs."""
    given = [pair.fold or 0 for pair in pairs]
    folds = max(given, default=0) or FOLDS
    fold_P = np.array(given, dtype=np.intp) - 1
    for kind_P, name in ((genuine_P, "genuine"), (~genuine_P, "impostor")):
        own = np.flatnonzero(kind_P)
        if len(own) < folds:
            raise InvalidInputError(
                f"{path} has {len(own)} {name} pairs; {folds} folds need at least {folds} genuine and {folds} impostor pairs"
            )
        if (fold_P[own] < 0).any():
            fold_P[own] = same_sized_folds(len(own), folds)
    return fold_P


def _people(pairs: Sequence[Pair]) -> People | None:
    """The people of each pair (P, 2), by the images' folders, or by their names before the number; None if neither will do.

    One will do if it agrees with every label.
    """
    for person_of in (_folder, _name_before_number):
        names = [(person_of(pair.first), person_of(pair.second)) for pair in pairs]
        if all((first == second) == pair.genuine for (first, second), pair in zip(names, pairs, strict=True)):
            index = index_names([name for both in names for name in both])
            return np.array([[index[first], index[second]] for first, second in names], dtype=np.intp)
    return None


def _folder(name: str) -> str:
    return str(PurePosixPath(name).parent)


def _name_before_number(name: str) -> str:
    return re.sub(r"_\d+(\.\w+)?$", "", PurePosixPath(name).name)
