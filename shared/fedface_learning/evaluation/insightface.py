"""InsightFace's packed verification sets: lfw.bin, cfp_fp.bin, agedb_30.bin and others in their format.

A set has 2P images, in pairs, and P answers. It names neither people nor folds; there are ten folds of consecutive pairs.
Folds, thresholds and ± are those of InsightFace's `eval/verification.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.faces import EmbeddedFaces, EncodedFace
from fedface_learning.evaluation.figures import Figure, ProtocolResult, rate_figures
from fedface_learning.evaluation.fold_accuracy import fold_accuracy
from fedface_learning.evaluation.listed_pairs import FAR, ListedPairs, same_sized_folds
from fedface_learning.evaluation.pickled_pairs import Array, read_pickled
from fedface_learning.evaluation.trials import Scores

FOLDS = 10
_SQUARED_DISTANCES = np.arange(0, 4, 0.01)  # InsightFace's thresholds; for unit vectors, 2 − 2 · cosine


@dataclass(frozen=True)
class PackedPairs:
    """A `.bin` set."""

    name: str
    """The name of the file, without suffix."""
    faces: Sequence[EncodedFace]
    pairs: ListedPairs

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the file. `InvalidInputError`, which says what was found, if it does not hold images and answers."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InvalidInputError(
                f"cannot read {path}: {error.strerror}; it should be a .bin set of InsightFace"
            ) from None
        images, genuine = _unpack(read_pickled(data, str(path)), path)
        faces = [EncodedFace(f"image {number} of {path}", image) for number, image in enumerate(images)]
        first_P = np.arange(0, len(images), 2)
        folds_P = same_sized_folds(len(genuine), FOLDS)
        return cls(path.stem, faces, ListedPairs(first_P, first_P + 1, np.array(genuine), folds_P, None))

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """Accuracy and TAR at FAR. The accuracy's spread is the standard deviation over folds (n in the denominator)."""
        scores_P = self.pairs.scores(faces)
        accuracy = fold_accuracy(scores_P, self.pairs.genuine_P, self.pairs.fold_P, grid_threshold)
        return ProtocolResult(
            self.name,
            {
                "accuracy": Figure(accuracy.mean, float(accuracy.accuracy_F.std())),
                **rate_figures("TAR at FAR", [self.pairs.trials(scores_P)], FAR, self.pairs.multiplicities(resamples)),
            },
            {"folds": FOLDS, **self.pairs.counts(faces, scores_P)},
            "standard deviation over folds",
            ("no intervals: a .bin set does not say who is in its images, so people cannot be resampled",),
        )


def grid_threshold(scores_P: Scores, genuine_P: npt.NDArray[np.bool_]) -> float:
    """The strictest of InsightFace's thresholds of highest accuracy, as a cosine. A pair above it counts as "same"."""
    thresholds = 1 - _SQUARED_DISTANCES / 2
    true_accepts, false_accepts = (
        len(kind) - np.searchsorted(np.sort(kind), thresholds, side="right")
        for kind in (scores_P[genuine_P], scores_P[~genuine_P])
    )
    return float(thresholds[np.argmax(true_accepts - false_accepts)])


def _unpack(content: Any, path: Path) -> tuple[list[bytes], list[bool]]:
    expected = "a .bin set holds (list of encoded images, list of 'is same')"
    if not (isinstance(content, tuple | list) and len(content) == 2):
        raise InvalidInputError(f"{path} holds {_describe(content)}; {expected}")
    packed, answers = content
    if isinstance(answers, Array) and answers.element == "b1":
        answers = list(answers.data)
    if not (isinstance(packed, tuple | list) and isinstance(answers, tuple | list)):
        raise InvalidInputError(f"{path} holds {_describe(packed)} and {_describe(answers)}; {expected}")
    if len(packed) != 2 * len(answers):
        raise InvalidInputError(
            f"{path} holds {len(packed)} images and {len(answers)} answers; each answer is about two images, so "
            f"{2 * len(answers)} were expected"
        )
    if len(answers) < FOLDS:
        raise InvalidInputError(f"{path} holds {len(answers)} pairs; ten folds need at least {FOLDS}")
    return (
        [_image(image, number, path) for number, image in enumerate(packed)],
        [_answer(answer, number, path) for number, answer in enumerate(answers)],
    )


def _image(image: Any, number: int, path: Path) -> bytes:
    if isinstance(image, Array) and image.element == "u1":
        return image.data
    if not isinstance(image, bytes):
        raise InvalidInputError(f"{path}: image {number} is {_describe(image)}; expected the bytes of an image file")
    return image


def _answer(answer: Any, number: int, path: Path) -> bool:
    if isinstance(answer, Array) and answer.element == "b1" and len(answer.data) == 1:
        return bool(answer.data[0])
    if not isinstance(answer, int) or answer not in (0, 1):
        raise InvalidInputError(f"{path}: answer {number} is {_describe(answer)}; expected True or False")
    return bool(answer)


def _describe(value: Any) -> str:
    if isinstance(value, Array):
        return f"a NumPy array of {value.element}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a value of type {type(value).__name__}"
