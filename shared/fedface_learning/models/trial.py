"""The trial of a model: a network is run once, on a few images of noise, before its weights are published.

The images are the same in every process. N images of C×H×W pixels, D dimensions.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError, UnusableModelError
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import features_of_pixels, unit_embeddings
from fedface_learning.seeding import generator

_IMAGES: Final = 4


def trial_features(network: EmbeddingNetwork) -> Tensor:
    """The raw features (N, D) of the images of noise. They may not be finite. The network is left in evaluation mode."""
    plan = network.plan
    shape = (_IMAGES, plan.channels, plan.height, plan.width)
    images_NCHW = torch.randint(256, shape, dtype=torch.uint8, generator=generator("trial"))
    with torch.no_grad():
        return features_of_pixels(network, network.pixels(images_NCHW))


def try_out(network: EmbeddingNetwork) -> None:
    """`UnusableModelError` if the network gives features that are not finite, or one embedding for all images.

    Values may be in all bounds, and yet be of no use together. The network is left in evaluation mode.
    """
    features_ND = trial_features(network)
    try:
        embeddings_ND = unit_embeddings(features_ND - network.centre)
    except InvalidInputError as error:
        raise UnusableModelError(f"the new model was tried on images of noise: {error}") from error
    if torch.equal(embeddings_ND, embeddings_ND[:1].expand_as(embeddings_ND)):
        raise UnusableModelError("the new model was tried on images of noise: it gives the same embedding for each of them")
