"""Labeled Faces in the Wild (LFW), View 1 and View 2. Pre-trained networks are "unrestricted, labeled outside data"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from fedface_learning.evaluation.bootstrap import interval, resample_share
from fedface_learning.evaluation.faces import EmbeddedFaces, FaceFile
from fedface_learning.evaluation.figures import Figure, ProtocolResult, rate_figures
from fedface_learning.evaluation.fold_accuracy import best_threshold, correct_answers
from fedface_learning.evaluation.lfw_files import NamedPair, read_folds, read_view_1
from fedface_learning.evaluation.listed_pairs import FAR, ListedPairs, index_names
from fedface_learning.evaluation.named_images import ImageFiles


@dataclass(frozen=True)
class LfwView2:
    """LFW's View 2, for the accuracy to report: ten folds; the threshold of each fold is chosen on the nine others."""

    faces: Sequence[FaceFile]
    pairs: ListedPairs

    @classmethod
    def open(cls, pairs_file: Path, images: Path) -> Self:
        """Read `pairs.txt`. ``images`` is the folder of the files ``Name/Name_0001.jpg``.

        `InvalidInputError` if the list is missing or malformed.
        """
        return cls(*_faces_and_pairs(read_folds(pairs_file), images))

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """The mean accuracy over folds ± its standard error, and TAR at FAR over the pairs of all folds."""
        scores_P = self.pairs.scores(faces)
        times = self.pairs.multiplicities(resamples)
        trials = self.pairs.trials(scores_P)
        return ProtocolResult(
            "lfw",
            {
                "accuracy": self.pairs.accuracy(scores_P, times),
                **rate_figures("TAR at FAR", [trials], FAR, times),
            },
            {"folds": len(np.unique(self.pairs.fold_P)), **self.pairs.counts(faces, scores_P)},
            "standard error over folds",
            cosines=trials.cosines(),
        )


@dataclass(frozen=True)
class LfwView1:
    """LFW's View 1, for choosing models and settings: the threshold is chosen on the training pairs."""

    faces: Sequence[FaceFile]
    pairs: ListedPairs

    @classmethod
    def open(cls, folder: Path, images: Path) -> Self:
        """Read `pairsDevTrain.txt` and `pairsDevTest.txt`. ``images`` is the folder of the files ``Name/Name_0001.jpg``.

        `InvalidInputError` if a list is missing or malformed.
        """
        return cls(*_faces_and_pairs([read_view_1(folder / f"pairsDev{part}.txt") for part in ("Train", "Test")], images))

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """Accuracy and TAR at FAR on the test pairs."""
        train = self.pairs.fold(0)
        test = self.pairs.fold(1)
        threshold = best_threshold(train.scores(faces), train.genuine_P)
        scores_P = test.scores(faces)
        correct_P = correct_answers(scores_P, test.genuine_P, threshold)
        times = test.multiplicities(resamples)
        trials = test.trials(scores_P)
        bounds = None if times is None else interval(resample_share(correct_P, test.people_of_trials(), times))
        return ProtocolResult(
            "lfw-view-1",
            {
                "accuracy": Figure(float(correct_P.mean()), None, bounds),
                **rate_figures("TAR at FAR", [trials], FAR, times),
            },
            {"training pairs": len(train.genuine_P), **test.counts(faces, scores_P)},
            cosines=trials.cosines(),
        )


def _faces_and_pairs(folds: Sequence[Sequence[NamedPair]], images: Path) -> tuple[Sequence[FaceFile], ListedPairs]:
    pairs = [pair for fold in folds for pair in fold]
    index = {image: number for number, image in enumerate(dict.fromkeys(image for pair in pairs for image in pair))}
    people = index_names([image.person for image in index])
    people_P2 = np.array([[people[image.person] for image in pair] for pair in pairs], dtype=np.intp)
    listed = ListedPairs(
        first_P=np.array([index[first] for first, _ in pairs], dtype=np.intp),
        second_P=np.array([index[second] for _, second in pairs], dtype=np.intp),
        genuine_P=people_P2[:, 0] == people_P2[:, 1],
        fold_P=np.repeat(np.arange(len(folds)), [len(fold) for fold in folds]),
        people_P2=people_P2,
    )
    files = ImageFiles(images)
    return [files.find(image.name) for image in index], listed
