"""What InsightFace's .bin sets hold, and what a set is told that holds anything else."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from fedface_learning.evaluation.insightface import PackedPairs, grid_threshold
from support.protocol_trees import refused

IMAGES = [b"image"] * 20
ANSWERS = [True] * 10
HOLDS = "a .bin set holds (list of encoded images, list of 'is same')"


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([IMAGES], f"FILE holds a list of 1; {HOLDS}"),
        (None, f"FILE holds None; {HOLDS}"),
        ((IMAGES, 10), f"FILE holds a list of 20 and the number 10; {HOLDS}"),
        (
            (IMAGES[:19], ANSWERS),
            "FILE holds 19 images and 10 answers; each answer is about two images, so 20 were expected",
        ),
        ((IMAGES[:18], ANSWERS[:9]), "FILE holds 9 pairs; ten folds need at least 10"),
        (([*IMAGES[:19], "text"], ANSWERS), "FILE: image 19 is a value of type str; expected the bytes of an image file"),
        (
            ([np.zeros(3, np.float32), *IMAGES[:19]], ANSWERS),
            "FILE: image 0 is a NumPy array of f4; expected the bytes of an image file",
        ),
        ((IMAGES, [*ANSWERS[:9], 2]), "FILE: answer 9 is the number 2; expected True or False, 1 or 0"),
        (
            (IMAGES, np.array([*ANSWERS[:9], 0.5], np.float32)),
            "FILE: answer 9 is the number 0.5; expected True or False, 1 or 0",
        ),
        ((IMAGES, [*ANSWERS[:9], float("nan")]), "FILE: answer 9 is the number nan; expected True or False, 1 or 0"),
        ((IMAGES, [*ANSWERS[:9], np.int64(-1)]), "FILE: answer 9 is the number -1; expected True or False, 1 or 0"),
        (
            (IMAGES, [*ANSWERS[:9], np.array([True, False])]),
            "FILE: answer 9 is a NumPy array of b1; expected True or False, 1 or 0",
        ),
        ((IMAGES, [*ANSWERS[:9], "1"]), "FILE: answer 9 is a value of type str; expected True or False, 1 or 0"),
        (
            (IMAGES, np.array(["1"] * 10)),
            "FILE holds a NumPy array of U1 that cannot be read: there are no elements of type 'U1'",
        ),
        (
            (np.zeros(20, np.uint8), ANSWERS),
            "FILE: image 0 is the number 0; expected the bytes of an image file",
        ),
        ((IMAGES, [*ANSWERS[:9], None]), "FILE: answer 9 is None; expected True or False, 1 or 0"),
    ],
)
def test_a_set_that_does_not_hold_images_and_answers_is_refused(tmp_path: Path, held: object, message: str) -> None:
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(held, protocol=4))
    assert refused("insightface-bin", tmp_path / "lfw.bin", None) == message


def test_a_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    expected = "cannot read FILE: No such file or directory; it should be a .bin set of InsightFace"
    assert refused("insightface-bin", tmp_path / "lfw.bin", None) == expected


def test_pairs_are_consecutive_images_in_ten_folds_of_consecutive_pairs(tmp_path: Path) -> None:
    answers = [number % 3 != 0 for number in range(15)]
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(([b"image"] * 30, answers)))
    found = PackedPairs.open(tmp_path / "lfw.bin")
    assert found.name == "lfw"
    assert found.pairs.genuine_P.tolist() == answers
    assert found.pairs.first_P.tolist() == list(range(0, 30, 2))
    assert found.pairs.second_P.tolist() == list(range(1, 30, 2))
    # Ten folds of fifteen pairs, in order: five of two, then five of one.
    assert found.pairs.fold_P.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9]


def test_the_threshold_is_the_strictest_of_the_best_on_insightfaces_grid() -> None:
    # Squared distances 0.2 (genuine) and 1.0 (impostor): every threshold from 0.21 to 1.00 is right; 0.21 is the strictest.
    threshold = grid_threshold(np.array([0.9, 0.5]), np.array([True, False]))
    assert threshold == pytest.approx(1 - 0.21 / 2)
