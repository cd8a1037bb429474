"""The losses: FedFace's on a client, and CosFace of pre-training. N images, D dimensions, K identities."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def positive_squared_hinge(embeddings_ND: Tensor, class_embedding_D: Tensor, margin: float) -> Tensor:
    """FedFace's loss on a client, ``mean_i max(0, m − w·f(x_i))²``, a scalar (Aggarwal et al., IJCB 2021).

    It draws every image to the class embedding, up to the cosine ``margin``. Both arguments are of unit length. The
    client has positives only, so this loss alone would draw all clients to one point; spreadout on the server
    (`fedface_learning.objectives.spreadout`) keeps them apart.
    """
    cosines_N = (embeddings_ND * class_embedding_D).sum(dim=1)
    return torch.clamp(margin - cosines_N, min=0).square().mean()


def cosface(cosines_NK: Tensor, labels_N: Tensor, *, scale: float, margin: float) -> Tensor:
    """``−log softmax(s·(cos θ − m·[k = label]))``, mean over N, a scalar (Wang et al., *CosFace*, CVPR 2018)."""
    margins_NK = margin * functional.one_hot(labels_N, cosines_NK.shape[1])
    return functional.cross_entropy(scale * (cosines_NK - margins_NK), labels_N)
