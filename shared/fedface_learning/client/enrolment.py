"""Enrolment (round 0): each client's class embedding from the pre-trained network. C clients, N images, D dimensions.

With centring, the *centre* is subtracted from features before they are normalised. It is the mean feature of the clients'
own images (ADR 4). dlib's network needs centring: all its raw cosines are near 0.86, those of different people too, so that
neither a hinge at 0.9 nor a spreadout at 0.3 has an effect. The centre is computed from the clients' mean embeddings, which
the aggregator holds in any case. A centre from the test images would leak test data into the model, and a fixed centre would
not fit other photographs.
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
    """What enrolment gives: class embeddings and centre, both float32."""

    class_embeddings_CD: Tensor
    """Rows of unit length (C, D); the row of a client that is not enrolled is zero."""
    centre_D: Tensor
    """The centre (D,); zero without centring: what the network subtracts then, its embeddings are without already."""


def mean_embedding(network: EmbeddingNetwork, images_NCHW: Tensor, *, centring: bool) -> Tensor:
    """The mean embedding (D,) of a client's images (N, C, H, W), float32; with centring, the mean of their raw features.

    The mean is not normalised: its length says how similar the images are, and the centre is a mean of these means.
    `InvalidInputError` if the network's features of an image are not finite.
    """
    features_ND = raw_features(network, images_NCHW) if centring else embed(network, images_NCHW)
    return mean_feature(features_ND)


def enrol(mean_embeddings_CD: Tensor, images_C: Tensor, *, centring: bool) -> Enrolment:
    """Class embeddings ``w_c = normalise(mean_c − centre)`` from the clients' mean embeddings (C, D).

    With centring the centre is ``Σ n_c mean_c / Σ n_c``, otherwise zero. ``images_C`` (C,) holds the image counts n_c, which
    are 0 for clients that are not enrolled. Sums are computed in float64.
    """
    means_CD = mean_embeddings_CD.double()
    weights_C1 = images_C.double().unsqueeze(1)
    assert weights_C1.sum() > 0, "enrolment needs at least one enrolled client"
    centre_D = (weights_C1 * means_CD).sum(dim=0) / weights_C1.sum() if centring else torch.zeros_like(means_CD[0])
    # The clients subtract the centre in float32, as the model stores it. So the same value is subtracted here.
    centre_D = centre_D.float()
    class_embeddings_CD = normalize(means_CD - centre_D, dim=1).float()
    return Enrolment(class_embeddings_CD * (weights_C1 > 0), centre_D)


def random_class_embeddings(clients: int, size: int, seed: int) -> Tensor:
    """Class embeddings (C, D) for the ablation: unit rows drawn uniformly from the sphere, independent of any face."""
    return normalize(torch.randn(clients, size, generator=generator(seed, "class embeddings")), dim=1)
