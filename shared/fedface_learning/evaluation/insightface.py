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
_MAX_BYTES = 4 << 30  # Ten times the largest published set.
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
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise InvalidInputError(
                f"cannot read {path}: {error.strerror}; it should be a .bin set of InsightFace"
            ) from None
        if len(data) > _MAX_BYTES:
            raise InvalidInputError(f"{path} has more than {_MAX_BYTES:,} bytes, which is too large for a .bin set")
        images, genuine = _unpack(read_pickled(data, str(path)), path)
        faces = [EncodedFace(f"image {number} of {path}", image) for number, image in enumerate(images)]
        first_P = np.arange(0, len(images), 2)
        folds_P = same_sized_folds(len(genuine), FOLDS)
        return cls(path.stem, faces, ListedPairs(first_P, first_P + 1, np.array(genuine), folds_P, None))

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """Accuracy and TAR at FAR. The accuracy's spread is the standard deviation over folds (n in the denominator)."""
        scores_P = self.pairs.scores(faces)
        trials = self.pairs.trials(scores_P)
        accuracy = fold_accuracy(scores_P, self.pairs.genuine_P, self.pairs.fold_P, grid_threshold)
        return ProtocolResult(
            self.name,
            {
                "accuracy": Figure(accuracy.mean, float(accuracy.accuracy_F.std())),
                **rate_figures("TAR at FAR", [trials], FAR, self.pairs.multiplicities(resamples)),
            },
            {"folds": FOLDS, **self.pairs.counts(faces, scores_P)},
            "standard deviation over folds",
            ("no intervals: a .bin set does not say who is in its images, so people cannot be resampled",),
            trials.cosines(),
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
    packed, answers = (_elements(held, path) for held in content)
    if packed is None or answers is None:
        raise InvalidInputError(f"{path} holds {_describe(content[0])} and {_describe(content[1])}; {expected}")
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


def _elements(held: Any, path: Path) -> Sequence[Any] | None:
    """What a list, a tuple or a NumPy array holds; None of anything else."""
    if not isinstance(held, Array):
        return held if isinstance(held, tuple | list) else None
    try:
        return held.values()
    except ValueError as error:
        raise InvalidInputError(f"{path} holds {_describe(held)} that cannot be read: {error}") from None


def _image(image: Any, number: int, path: Path) -> bytes:
    if isinstance(image, Array) and (image.element in ("u1", "i1") or image.element.startswith("S")):
        return image.data
    if not isinstance(image, bytes):
        raise InvalidInputError(f"{path}: image {number} is {_describe(image)}; expected the bytes of an image file")
    return image


def _answer(answer: Any, number: int, path: Path) -> bool:
    """Whether a pair is genuine: what `bool` says of True, False, 1, 0, 1.0, 0.0 and NumPy's values of these."""
    found = _elements(answer, path) if isinstance(answer, Array) else [answer]
    value = found[0] if found is not None and len(found) == 1 else answer
    if not isinstance(value, int | float) or value not in (0, 1):
        raise InvalidInputError(f"{path}: answer {number} is {_describe(value)}; expected True or False, 1 or 0")
    return bool(value)


def _describe(value: Any) -> str:
    if isinstance(value, Array):
        return f"a NumPy array of {value.element}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "None" if value is None else f"a value of type {type(value).__name__}"
