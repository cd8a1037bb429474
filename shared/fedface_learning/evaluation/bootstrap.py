"""95 % confidence intervals by resampling identities.

Pairs are not independent, because one person is in many pairs. So people are drawn, not pairs (Bolle, Ratha, Pankanti:
*Error analysis of pattern recognition systems: the subsets bootstrap*, CVIU 2004). A resample draws I people from I with
replacement. Person i is drawn m_i times, and each copy counts as a person. Then

- a genuine pair of person i exists once for each copy of i, so its weight is m_i;
- an impostor pair of persons i and j exists for each copy of i with each copy of j, so its weight is m_i · m_j;
- two copies of one person make no impostor pair, because they are one person;
- a probe of person i, searched in a gallery that is not resampled, has the weight m_i.

A statistic, and its threshold, is computed anew from the weighted trials of each resample. R resamples, F rates, I people,
n trials of one kind, U different pairs of people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from fedface_learning.evaluation.trials import People, ScoredTrials, Trials
from fedface_learning.seeding import generator

Multiplicities = npt.NDArray[np.float64]
"""How often each person is drawn in each resample (R, I + 1); the last column is 1, for `trials.NOBODY`."""
MOST_PAIRS = 20_000_000  # their scores and identities need half a gigabyte
_CONFIDENCE = 0.95
_HEAD = 2.0  # how many negatives to look at first, as a multiple of those that the largest rate allows


def draw_people(identities: int, resamples: int) -> Multiplicities:
    """Draw the people of each resample, always with the same seed: the multiplicities (R, I + 1)."""
    draws = generator("bootstrap over identities", identities, resamples)
    drawn_RI = torch.randint(identities, (resamples, identities), generator=draws).numpy()
    offset_R1 = np.arange(resamples)[:, None] * identities
    counts_RI = np.bincount((drawn_RI + offset_R1).ravel(), minlength=resamples * identities).reshape(resamples, identities)
    return np.hstack([counts_RI, np.ones((resamples, 1))])


def resample_accepted(trials: Trials, rates: Sequence[float], multiplicities: Multiplicities) -> npt.NDArray[np.float64]:
    """`Trials.accepted_at` each rate in each resample (R, F).

    NaN if a resample has no positives or no negatives. The trials must name their people.
    """
    positives = trials.positives
    negatives = trials.negatives
    meeting_U2, trials_U = _count_meetings(negatives)
    head = min(len(negatives.scores), int(_HEAD * max(rates) * len(negatives.scores)) + 1)
    increasing_n = positives.scores[::-1]
    accepted_RF = np.full((len(multiplicities), len(rates)), np.nan)
    for row, times in enumerate(multiplicities):
        negative_weight = float(trials_U @ _weights(meeting_U2, times))
        positive_sums = np.concatenate([[0.0], np.cumsum(_weights(_people(positives), times))])
        if not negative_weight or not positive_sums[-1]:
            continue
        allowed_F = np.asarray(rates) * negative_weight * (1 + 1e-12)
        negative_sums = np.cumsum(_weights(_people(negatives)[:head], times))
        if negative_sums[-1] <= max(allowed_F):
            negative_sums = np.cumsum(_weights(_people(negatives), times))
        # The first negative that must not be accepted: the threshold lies just above it.
        refused_F = negatives.scores[np.searchsorted(negative_sums, allowed_F, side="right")]
        above_F = len(increasing_n) - np.searchsorted(increasing_n, refused_F, side="right")
        accepted_RF[row] = positive_sums[above_F] / positive_sums[-1]
    return accepted_RF


def resample_share(
    marks_n: npt.NDArray[np.bool_], people_n2: People, multiplicities: Multiplicities
) -> npt.NDArray[np.float64]:
    """The weighted share of marked trials (correct, or found) in each resample (R,); NaN if a resample has no trials.

    ``people_n2`` are the people of each trial, as in `trials.ScoredTrials`.
    """
    shares_R = np.empty(len(multiplicities))
    for row, times in enumerate(multiplicities):
        weights_n = _weights(people_n2, times)
        total = weights_n.sum()
        shares_R[row] = weights_n @ marks_n / total if total else np.nan
    return shares_R


def interval(resampled_R: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """The central 95 % of the resampled values (R,), NaN left out; None if there are none."""
    values = resampled_R[~np.isnan(resampled_R)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return float(low), float(high)


def _weights(people_n2: People, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    weights: npt.NDArray[np.float64] = times[people_n2[:, 0]] * times[people_n2[:, 1]]
    return weights


def _people(trials: ScoredTrials) -> People:
    assert trials.people is not None, "only trials that name their people can be resampled"
    return trials.people


def _count_meetings(trials: ScoredTrials) -> tuple[People, npt.NDArray[np.float64]]:
    """The different pairs of people (U, 2), and the number of trials of each (U,). U is much smaller than n."""
    people_n2 = _people(trials)
    width = people_n2.max(initial=0) + 2
    codes_U, trials_U = np.unique((people_n2[:, 0] + 1) * width + people_n2[:, 1] + 1, return_counts=True)
    return np.stack([codes_U // width - 1, codes_U % width - 1], axis=1), trials_U.astype(np.float64)
