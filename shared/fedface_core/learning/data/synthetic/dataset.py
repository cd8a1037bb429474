"""The data set ``synthetic``: as many people as wanted, rendered when asked for."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_core.learning.data.dataset import ImageSize
from fedface_core.learning.data.framing import Framing, to_image, to_tensor
from fedface_core.learning.data.synthetic.draws import generator_for
from fedface_core.learning.data.synthetic.identity import draw_person
from fedface_core.learning.data.synthetic.nuisance import draw_nuisance
from fedface_core.learning.data.synthetic.render import render

_IMAGES = 12  # of an identity, where the plan does not say


class SyntheticDataset:
    """Parametric faces, exact in identity. A `FaceDataset`.

    Each image follows from (seed, identity, image) alone, whichever others are rendered and however many there are.
    """

    name = "synthetic"

    def __init__(self, data: DataPlan, size: ImageSize, identities: int) -> None:
        self._size = size
        self._framing = Framing(size, low_resolution=data.low_resolution)
        self._seed = data.seed
        self._images = data.images_per_identity or _IMAGES
        self._index = {f"person-{index:06d}": index for index in range(identities)}
        self.identities = tuple(self._index)

    def images(self, identity: str) -> Tensor:
        """uint8 (n, C, H, W). `InvalidInputError` for an unknown identity."""
        if identity not in self._index:
            raise InvalidInputError(f"data set 'synthetic' has no identity '{identity}' among its {len(self._index)}")
        index = self._index[identity]
        person = draw_person(self._seed, index)
        images_NCHW = np.empty((self._images, self._size.channels, self._size.height, self._size.width), np.uint8)
        for image in range(self._images):
            scene = draw_nuisance(self._seed, index, image)
            images_NCHW[image] = render(person, scene, self._size, generator_for(self._seed, index, image, 2))
        if self._framing.low_resolution is None:
            return torch.from_numpy(images_NCHW)
        return torch.stack([to_tensor(self._framing.resize(to_image(torch.from_numpy(image)))) for image in images_NCHW])
