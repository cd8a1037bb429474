"""Labeled Faces in the Wild, View 1 and View 2, "unrestricted, labeled outside data" as any pre-trained network is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from fedface_learning.evaluation.bootstrap import interval, resample_share
from fedface_learning.evaluation.faces import EmbeddedFaces, FaceFile
from fedface_learning.evaluation.figures import Figure, ProtocolResult, rate_figures
from fedface_learning.evaluation.fold_accuracy import answered_rightly, best_threshold, fold_accuracy
from fedface_learning.evaluation.lfw_files import NamedPair, read_folds, read_view_1
from fedface_learning.evaluation.listed_pairs import FAR, ListedPairs, numbered


@dataclass(frozen=True)
class LfwView2:
    """The performance to report: ten folds, the threshold of each chosen on the nine others."""

    faces: Sequence[FaceFile]
    pairs: ListedPairs

    @classmethod
    def open(cls, pairs_file: Path, images: Path) -> Self:
        """`pairs.txt`, and the tree of ``Name/Name_0001.jpg``."""
        return cls(*_list(read_folds(pairs_file), images))

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """Accuracy: mean over folds ± its standard error; and TAR at FAR over the pairs of all folds.

        The interval of the accuracy resamples people with the folds' thresholds as they are.
        """
        scores_P = self.pairs.scores(faces)
        accuracy = fold_accuracy(scores_P, self.pairs.genuine_P, self.pairs.fold_P)
        times = self.pairs.multiplicities(resamples)
        within = None if times is None else interval(resample_share(accuracy.correct_P, self.pairs.involved(), times))
        return ProtocolResult(
            "lfw",
            {
                "accuracy": Figure(accuracy.mean, accuracy.standard_error, within),
                **rate_figures("TAR at FAR", [self.pairs.trials(scores_P)], FAR, times),
            },
            {"folds": len(accuracy.accuracy_F), **self.pairs.counts(faces, scores_P)},
            "standard error over folds",
        )


@dataclass(frozen=True)
class LfwView1:
    """For choosing models and settings: the threshold from the development training pairs, accuracy on the test pairs."""

    faces: Sequence[FaceFile]
    pairs: ListedPairs

    @classmethod
    def open(cls, folder: Path, images: Path) -> Self:
        """The folder of `pairsDevTrain.txt` and `pairsDevTest.txt`, and the tree of ``Name/Name_0001.jpg``."""
        return cls(*_list([read_view_1(folder / f"pairsDev{part}.txt") for part in ("Train", "Test")], images))

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """Accuracy and TAR at FAR, on the test pairs."""
        train, test = self.pairs.fold(0), self.pairs.fold(1)
        threshold = best_threshold(train.scores(faces), train.genuine_P)
        scores_P = test.scores(faces)
        correct_P = answered_rightly(scores_P, test.genuine_P, threshold)
        times = test.multiplicities(resamples)
        within = None if times is None else interval(resample_share(correct_P, test.involved(), times))
        return ProtocolResult(
            "lfw-view-1",
            {
                "accuracy": Figure(float(correct_P.mean()), None, within),
                **rate_figures("TAR at FAR", [test.trials(scores_P)], FAR, times),
            },
            {"training pairs": len(train.genuine_P), **test.counts(faces, scores_P)},
        )


def _list(folds: Sequence[Sequence[NamedPair]], images: Path) -> tuple[Sequence[FaceFile], ListedPairs]:
    pairs = [pair for fold in folds for pair in fold]
    place = {image: number for number, image in enumerate(dict.fromkeys(image for pair in pairs for image in pair))}
    people = numbered([image.person for image in place])
    people_P2 = np.array([[people[image.person] for image in pair] for pair in pairs], dtype=np.intp)
    listed = ListedPairs(
        first_P=np.array([place[first] for first, _ in pairs], dtype=np.intp),
        second_P=np.array([place[second] for _, second in pairs], dtype=np.intp),
        genuine_P=people_P2[:, 0] == people_P2[:, 1],
        fold_P=np.repeat(np.arange(len(folds)), [len(fold) for fold in folds]),
        people_P2=people_P2,
    )
    return [image.file(images) for image in place], listed
