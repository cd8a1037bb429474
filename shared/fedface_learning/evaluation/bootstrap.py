"""95 % confidence intervals by resampling identities.

Pairs are not independent: one person takes part in many. So it is people who are drawn (Bolle, Ratha, Pankanti: *Error
analysis of pattern recognition systems: the subsets bootstrap*, CVIU 2004). A resample draws I people from I with
replacement; person i comes m_i times, and each time counts as a person of its own. Then

- a genuine pair of i is there once for each copy of i: it counts m_i times;
- an impostor pair of i and j is there for each copy of i with each copy of j: it counts m_i · m_j times;
- two copies of the same person make no impostor pair, for they would be a genuine one;
- a probe of i, searched in a gallery that stays as it is, counts m_i times.

A statistic is computed from the weighted trials as from the trials, its threshold included. R resamples, F rates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from fedface_learning.evaluation.trials import People, ScoredTrials, Trials
from fedface_learning.seeding import generator

Multiplicities = npt.NDArray[np.float64]
MOST_PAIRS = 20_000_000  # whose scores and identities fill half a gigabyte
_CONFIDENCE = 0.95
_HEAD = 2.0  # negatives that are looked at before all are, as a multiple of those that the largest rate allows


def draw_people(identities: int, resamples: int) -> Multiplicities:
    """How often each person comes in each resample, (R, I + 1); the last column is 1, for `trials.NOBODY`."""
    draws = generator("bootstrap over identities", identities, resamples)
    drawn_RI = torch.randint(identities, (resamples, identities), generator=draws).numpy()
    rows = np.arange(resamples)[:, None] * identities
    counts_RI = np.bincount((drawn_RI + rows).ravel(), minlength=resamples * identities).reshape(resamples, identities)
    return np.hstack([counts_RI, np.ones((resamples, 1))])


def resample_accepted(trials: Trials, rates: Sequence[float], multiplicities: Multiplicities) -> npt.NDArray[np.float64]:
    """`Trials.accepted_at` each rate in each resample, (R, F); NaN where a resample lacks positives or negatives."""
    positives, negatives = trials.positives, trials.negatives
    together_U2, held_U = _together(negatives)
    head = min(len(negatives.scores), int(_HEAD * max(rates) * len(negatives.scores)) + 1)
    rising = positives.scores[::-1]
    accepted_RF = np.full((len(multiplicities), len(rates)), np.nan)
    for row, times in enumerate(multiplicities):
        total = float(held_U @ _weights(together_U2, times))
        risen = np.concatenate([[0.0], np.cumsum(_weights(_people(positives), times))])
        if not total or not risen[-1]:
            continue
        allowed_F = np.asarray(rates) * total * (1 + 1e-12)
        fallen = np.cumsum(_weights(_people(negatives)[:head], times))
        if fallen[-1] <= max(allowed_F):
            fallen = np.cumsum(_weights(_people(negatives), times))
        refused_F = negatives.scores[np.searchsorted(fallen, allowed_F, side="right")]
        accepted_RF[row] = risen[len(rising) - np.searchsorted(rising, refused_F, side="right")] / risen[-1]
    return accepted_RF


def resample_share(
    marks_n: npt.NDArray[np.bool_], people_n2: People, multiplicities: Multiplicities
) -> npt.NDArray[np.float64]:
    """The weighted share of trials that are marked (correct, or found), (R,); NaN where a resample has no trial."""
    shares_R = np.empty(len(multiplicities))
    for row, times in enumerate(multiplicities):
        weights_n = _weights(people_n2, times)
        total = weights_n.sum()
        shares_R[row] = weights_n @ marks_n / total if total else np.nan
    return shares_R


def interval(resampled_R: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """The middle 95 % of the resampled values; None where there are none."""
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


def _together(trials: ScoredTrials) -> tuple[People, npt.NDArray[np.float64]]:
    """Who meets whom, and in how many trials: far fewer than the trials where each person has many images."""
    people_n2 = _people(trials)
    width = people_n2.max(initial=0) + 2
    codes_U, held_U = np.unique((people_n2[:, 0] + 1) * width + people_n2[:, 1] + 1, return_counts=True)
    return np.stack([codes_U // width - 1, codes_U % width - 1], axis=1), held_U.astype(np.float64)
