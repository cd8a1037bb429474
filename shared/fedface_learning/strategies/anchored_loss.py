"""The loss that a client minimises: its strategy's, and the pull of the anchor if the plan has one.

The anchor is the network that the run's first training round started from. Where nothing public trains along, nothing but
the anchor keeps the network from drifting to where it knows the clients' photographs alone. To hold the outputs of a network
where they were before it learns anew is *learning without forgetting* (Li and Hoiem, ECCV 2016); to hold its embeddings by
their cosine is Hou et al., *Learning a Unified Classifier Incrementally via Rebalancing*, CVPR 2019.

Suffixes of tensor names: N images, C channels, H×W pixels, D dimensions.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import features_of_pixels
from fedface_learning.objectives.losses import distance_to_anchor
from fedface_learning.strategies import ClientRound, strategy_of


def anchored_embeddings(anchor: EmbeddingNetwork, pixels_NCHW: Tensor) -> Tensor:
    """The unit embeddings (N, D) of pixels (N, C, H, W) by the anchor, without gradients: where the images are held."""
    return normalize(features_of_pixels(anchor, pixels_NCHW) - anchor.centre)


def client_loss(client_round: ClientRound, features_ND: Tensor, anchored_ND: Tensor | None) -> Tensor:
    """A client's loss of raw features (N, D), a scalar: a mean over the images.

    ``anchored_ND`` are the unit embeddings (N, D) of the same images by the anchor; None if the plan has none.
    """
    assert (anchored_ND is None) == (client_round.plan.anchor == 0), "a round of a plan with an anchor brings it along"
    loss = strategy_of(client_round.plan).loss(client_round, features_ND)
    if anchored_ND is None:
        return loss
    embeddings_ND = normalize(features_ND - client_round.network.centre)
    return loss + client_round.plan.anchor * distance_to_anchor(embeddings_ND, anchored_ND)
