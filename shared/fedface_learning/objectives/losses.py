"""The losses: FedFace's on a client, CosFace of pre-training, and the pull of an anchor.

Suffixes of tensor names: N images, D dimensions, K identities.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def positive_squared_hinge(embeddings_ND: Tensor, class_embedding_D: Tensor, margin: float) -> Tensor:
    """FedFace's loss on a client, ``mean_i max(0, m − w·f(x_i))²``, a scalar (Aggarwal et al., *FedFace*, IJCB 2021).

    Embeddings and class embedding have unit length. The loss draws every image to the class embedding, up to the cosine
    ``margin``. The client has positives only, so this loss alone would draw all clients to one point; spreadout on the
    server (`fedface_learning.objectives.spreadout`) keeps them apart.
    """
    cosines_N = (embeddings_ND * class_embedding_D).sum(dim=1)
    return torch.clamp(margin - cosines_N, min=0).square().mean()


def cosface(cosines_NK: Tensor, labels_N: Tensor, *, scale: float, margin: float) -> Tensor:
    """CosFace's loss, the mean over N of ``−log softmax(s·(cos θ_k − m·[k = label]))``, a scalar.

    ``labels_N`` (int64) are numbers of identities, 0 to K − 1. Source: Wang et al., *CosFace*, CVPR 2018.
    """
    margins_NK = margin * functional.one_hot(labels_N, cosines_NK.shape[1])
    return functional.cross_entropy(scale * (cosines_NK - margins_NK), labels_N)


def distance_to_anchor(embeddings_ND: Tensor, anchored_ND: Tensor) -> Tensor:
    """``mean_i (1 − f(x_i)·f₁(x_i))``, a scalar: how far unit embeddings (N, D) are from those by another network."""
    return 1 - (embeddings_ND * anchored_ND).sum(dim=1).mean()
