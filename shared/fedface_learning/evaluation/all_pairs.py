"""95 % intervals for the protocol `pairs`: all pairs of all images. N images, D dimensions, P pairs.

The figures themselves come from `fedface_learning.evaluation.verification`, which never holds all pairs; a bootstrap has to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from fedface_learning.evaluation.bootstrap import MOST_PAIRS, draw_people, interval, resample_accepted
from fedface_learning.evaluation.trials import Trials


def too_many_pairs(images: int) -> bool:
    """Whether a bootstrap over all pairs of so many images is more than memory should hold."""
    return images * (images - 1) // 2 > MOST_PAIRS


def tar_intervals(
    embeddings_ND: Tensor, labels_N: Tensor, far: Sequence[float], resamples: int
) -> list[tuple[float, float] | None]:
    """The interval of TAR at each ``far``, of which the pairs must resolve each. Labels are 0, 1, … a person each."""
    trials = all_pairs(embeddings_ND, labels_N)
    accepted_RF = resample_accepted(trials, far, draw_people(int(labels_N.max()) + 1, resamples))
    return [interval(accepted_R) for accepted_R in accepted_RF.T]


def all_pairs(embeddings_ND: Tensor, labels_N: Tensor) -> Trials:
    """The trials that `verification.verify_pairs` scores, with their people."""
    people_N = labels_N.numpy().astype(np.intp)
    first_P, second_P = np.triu_indices(len(people_N), k=1)
    scores_P = (embeddings_ND @ embeddings_ND.T).numpy()[first_P, second_P]
    people_P2 = np.stack([people_N[first_P], people_N[second_P]], axis=1)
    return Trials.of_pairs(scores_P, people_P2[:, 0] == people_P2[:, 1], people_P2)
