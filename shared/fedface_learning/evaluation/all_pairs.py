"""95 % intervals for the protocol `pairs`, which compares all pairs of images. N images, D dimensions, P pairs.

The figures are computed by `fedface_learning.evaluation.verification`, which never holds all pairs in memory; a bootstrap
must hold them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from fedface_learning.device import full_product
from fedface_learning.evaluation.bootstrap import MOST_PAIRS, draw_people, interval, resample_accepted
from fedface_learning.evaluation.trials import Trials


def too_many_pairs(images: int) -> bool:
    """Whether all pairs of ``images`` images are more than a bootstrap should hold in memory (`MOST_PAIRS`)."""
    return images * (images - 1) // 2 > MOST_PAIRS


def tar_intervals(
    embeddings_ND: Tensor, labels_N: Tensor, far: Sequence[float], resamples: int
) -> list[tuple[float, float] | None]:
    """The 95 % interval of TAR at each rate in ``far``; None if no resample has one.

    The embeddings (N, D) are of unit length; the labels (N,) number the people from 0. Impostor pairs must be enough for
    each rate. ``resamples`` is the number of bootstrap resamples.
    """
    trials = all_pairs(embeddings_ND, labels_N)
    accepted_RF = resample_accepted(trials, far, draw_people(int(labels_N.max()) + 1, resamples))
    return [interval(accepted_R) for accepted_R in accepted_RF.T]


def all_pairs(embeddings_ND: Tensor, labels_N: Tensor) -> Trials:
    """The trials of all pairs of unit embeddings (N, D), with their people. Labels (N,) number the people from 0."""
    people_N = labels_N.cpu().numpy().astype(np.intp)
    first_P, second_P = np.triu_indices(len(people_N), k=1)
    scores_P = full_product(embeddings_ND, embeddings_ND.T).cpu().numpy()[first_P, second_P]
    people_P2 = np.stack([people_N[first_P], people_N[second_P]], axis=1)
    return Trials.of_pairs(scores_P, people_P2[:, 0] == people_P2[:, 1], people_P2)
