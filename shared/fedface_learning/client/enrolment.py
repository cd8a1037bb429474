"""Round 0: each client's class embedding from the pre-trained network. C clients, N images, D dimensions.

With centring, the mean feature of the clients' own images (the *centre*) is subtracted before features are normalised.
dlib's network needs it: its raw cosines are all near 0.86, strangers' too, and a hinge at 0.9 or a spreadout at 0.3 can
do nothing with them. The centre comes from the clients' mean embeddings, which the aggregator holds anyway. Taking it
from the test images would let the evaluation see its answers, and a fixed one would not suit other photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import embed, mean_feature, raw_features
from fedface_learning.seeding import generator


@dataclass(frozen=True)
class Enrolment:
    """What round 0 gives: unit class embeddings (C, D), a zero row for each client that is not enrolled; the centre (D,)."""

    class_embeddings_CD: Tensor
    centre_D: Tensor


def mean_embedding(network: EmbeddingNetwork, images_NCHW: Tensor, *, centring: bool) -> Tensor:
    """The mean over a client's images (D,), float32: of f(x), or with centring of the raw features.

    It is not normalised: its length says how well the images agree, and the centre is a mean of these means.
    """
    features_ND = raw_features(network, images_NCHW) if centring else embed(network, images_NCHW)
    return mean_feature(features_ND)


def enrol(mean_embeddings_CD: Tensor, images_C: Tensor, *, centring: bool) -> Enrolment:
    """``w_c = normalise(mean_c − centre)``, where the centre is ``Σ n_c mean_c / Σ n_c`` with centring, and else zero.

    ``images_C`` holds n_c, 0 for a client that is not enrolled. Sums run in float64.
    """
    means_CD = mean_embeddings_CD.double()
    weights_C1 = images_C.double().unsqueeze(1)
    assert weights_C1.sum() > 0, "enrolment needs at least one enrolled client"
    centre_D = (weights_C1 * means_CD).sum(dim=0) / weights_C1.sum() if centring else torch.zeros_like(means_CD[0])
    # The clients subtract the centre as the model stores it, in float32; so does this.
    centre_D = centre_D.float()
    class_embeddings_CD = normalize(means_CD - centre_D, dim=1).float()
    return Enrolment(class_embeddings_CD * (weights_C1 > 0), centre_D)


def random_class_embeddings(clients: int, size: int, seed: int) -> Tensor:
    """The ablation: unit rows (C, D) drawn evenly from the sphere, which know nothing of the clients' faces."""
    return normalize(torch.randn(clients, size, generator=generator(seed, "class embeddings")), dim=1)
