"""The spectral contrastive loss against class embeddings, of which only the sum of w·wᵀ need be known.

With f drawn to its own class embedding w_c and kept from C' others, it is

    ‖f − w_c‖² + s · mean_j (w_j·f)² = 2 − 2·w_c·f + s · fᵀ (Σ_j w_j·w_jᵀ) f / C'

for unit vectors. Unlike the Gaussian of `gaussian_negatives.py` this is exact: the negatives enter by their squares only.
Source: HaoChen et al., *Provable Guarantees for Self-Supervised Deep Learning with Spectral Contrastive Loss*, NeurIPS 2021,
whose features of length √s give this loss times s, less a constant. Jing et al. (*FedSC*, ICML 2024) share such sums between
clients; theirs are of images, ours of class embeddings.

Suffixes of tensor names: N images, K known classes, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fedface_learning.objectives.class_sums import ClassSums


def spectral_contrast(
    embeddings_ND: Tensor, rows_KD: Tensor, labels_N: Tensor, others: ClassSums, *, scale: float
) -> Tensor:
    """The mean over unit embeddings (N, D), a scalar: their classes are rows ``labels_N`` of ``rows_KD``.

    The negatives are the other rows and the classes of ``others``, of which only the second sum is used. Without any
    negative the loss is ``‖f − w_c‖²``.
    """
    cosines_NK = embeddings_ND @ rows_KD.T
    is_own_NK = functional.one_hot(labels_N, cosines_NK.shape[1])
    own_N = (cosines_NK * is_own_NK).sum(dim=1)
    of_rows_N = (cosines_NK * (1 - is_own_NK)).square().sum(dim=1)
    of_others_N = ((embeddings_ND @ others.second_DD.to(embeddings_ND.dtype)) * embeddings_ND).sum(dim=1)
    negatives = max(1, cosines_NK.shape[1] - 1 + others.clients)
    return torch.mean(2 - 2 * own_N + scale / negatives * (of_rows_N + of_others_N))
