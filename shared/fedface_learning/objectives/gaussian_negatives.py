"""CosFace whose negatives are known classes and, as one Gaussian, many classes of which only mean and covariance are known.

If the class embeddings w_j of C' classes are a draw from a Gaussian with mean μ and covariance Σ, then

    Σ_j e^{s·w_j·f} ≈ C' · E e^{s·w·f} = C' · e^{s·μ·f + s²/2 · fᵀΣf},

the moment-generating function of w·f. What it leaves out are the third and higher cumulants of the numbers s·w_j·f. The same
expectation, of features instead of class embeddings, is in Wang et al., *Implicit Semantic Data Augmentation for Deep
Networks*, NeurIPS 2019.

Suffixes of tensor names: N images, K known classes, D dimensions.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor
from torch.nn import functional

from fedface_learning.objectives.class_sums import Gaussian


def gaussian_logits(embeddings_ND: Tensor, gaussian: Gaussian, scale: float) -> Tensor:
    """``log(C' · e^{s·μ·f + s²/2 · fᵀΣf})`` of each unit embedding f, (N,): the logarithm of all C' classes' part."""
    mean_D = gaussian.mean_D.to(embeddings_ND.dtype)
    covariance_DD = gaussian.covariance_DD.to(embeddings_ND.dtype)
    variances_N = ((embeddings_ND @ covariance_DD) * embeddings_ND).sum(dim=1)
    import os
    hard = float(os.environ.get("X_HARD", "0"))
    return log(gaussian.count) + scale * (embeddings_ND @ mean_D) + (scale**2 / 2 + scale * hard) * variances_N


LAST: list[Tensor] = []
REGISTRY: dict[str, Tensor] = {}
_CENTRES: list[Tensor] = []


def mixture(others: int, without: Tensor | None = None) -> list[Gaussian] | None:
    """Trial: clusters of similar class embeddings, with one covariance within them."""
    import os
    buckets = int(os.environ.get("X_BUCKETS", "0"))
    fixed = int(os.environ.get("X_ANCHORS", "0"))
    least = int(os.environ.get("X_LEAST", "1"))
    if not (buckets or fixed) or len(REGISTRY) < others:
        return None
    rows = torch.stack([REGISTRY[c] for c in sorted(REGISTRY)])
    if buckets >= len(rows):
        zero = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64)
        return [Gaussian(1, row, zero) for row in rows]
    g = torch.Generator().manual_seed(0)
    if fixed:
        anchors = torch.randn(fixed, rows.shape[1], generator=g, dtype=torch.float64)
        anchors = functional.normalize(anchors, dim=1)
        a = (rows @ anchors.T).argmax(1)
    else:
        if not _CENTRES:
            _CENTRES.append(rows[torch.randperm(len(rows), generator=g)[:buckets]])
        centres = _CENTRES[0]
        for _ in range(5):
            a = (rows @ functional.normalize(centres, dim=1).T).argmax(1)
            centres = torch.stack([rows[a == i].mean(0) if (a == i).any() else centres[i] for i in range(buckets)])
        _CENTRES[0] = centres
    counts = torch.bincount(a)
    a = torch.where(counts[a] < least, counts.argmin() + 0 * a, a)  # small ones together
    if without is not None:
        keep = ~(rows == without.double()).all(dim=1)
        rows, a = rows[keep], a[keep]
    found = a.unique()
    means = torch.stack([rows[a == i].mean(0) for i in found])
    which = torch.searchsorted(found, a)
    within = rows - means[which]
    covariance = within.T @ within / len(rows)
    return [Gaussian(int((a == i).sum()), means[n], covariance) for n, i in enumerate(found)]


def mixture_logits(embeddings_ND: Tensor, parts: list[Gaussian], scale: float) -> Tensor:
    means = torch.stack([part.mean_D for part in parts]).to(embeddings_ND.dtype)
    counts = torch.tensor([float(part.count) for part in parts])
    covariance = parts[0].covariance_DD.to(embeddings_ND.dtype)
    variances_N = ((embeddings_ND @ covariance) * embeddings_ND).sum(dim=1)
    return counts.log() + scale * embeddings_ND @ means.T + (scale**2 / 2 * variances_N).unsqueeze(1)


def cosface_with_gaussian(
    embeddings_ND: Tensor, rows_KD: Tensor, labels_N: Tensor, gaussian: Gaussian | None, *, scale: float, margin: float
) -> Tensor:
    """CosFace's loss of unit embeddings (N, D), a mean over N, a scalar: their classes are rows ``labels_N`` of ``rows_KD``.

    The classes of ``gaussian`` are negatives of every image. They are one further term of the softmax, with the logarithm
    that `gaussian_logits` gives, so nothing overflows. None: there are no such classes.
    """
    cosines_NK = embeddings_ND @ rows_KD.T
    margins_NK = margin * functional.one_hot(labels_N, cosines_NK.shape[1])
    logits_NK = scale * (cosines_NK - margins_NK)
    if isinstance(gaussian, list):
        logits_NK = torch.cat([logits_NK, mixture_logits(embeddings_ND, gaussian, scale)], dim=1)
    elif gaussian is not None:
        logits_NK = torch.cat([logits_NK, gaussian_logits(embeddings_ND, gaussian, scale).unsqueeze(1)], dim=1)
    return functional.cross_entropy(logits_NK, labels_N)
