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
    return log(gaussian.count) + scale * (embeddings_ND @ mean_D) + scale**2 / 2 * variances_N


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
    if gaussian is not None:
        logits_NK = torch.cat([logits_NK, gaussian_logits(embeddings_ND, gaussian, scale).unsqueeze(1)], dim=1)
    return functional.cross_entropy(logits_NK, labels_N)
