"""What a client minimises. N images, D dimensions."""

from __future__ import annotations

import torch
from torch import Tensor


def positive_squared_hinge(embeddings_ND: Tensor, class_embedding_D: Tensor, margin: float) -> Tensor:
    """``mean_i max(0, m − w·f(x_i))²``, a scalar: draw every image to the class embedding, up to the cosine ``margin``.

    Both arguments are of unit length. The client has positives only, so this loss alone would draw all clients to one
    point; `fedface_core.learning.spreadout` on the server is what keeps them apart.
    """
    cosines_N = (embeddings_ND * class_embedding_D).sum(dim=1)
    return torch.clamp(margin - cosines_N, min=0).square().mean()
