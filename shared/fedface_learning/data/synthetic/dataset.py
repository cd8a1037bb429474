"""The data set ``synthetic``: as many people as wanted, rendered when asked for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.framing import Framing, to_image, to_tensor
from fedface_learning.data.synthetic.draws import generator_for
from fedface_learning.data.synthetic.identity import Person, draw_person
from fedface_learning.data.synthetic.nuisance import draw_nuisance
from fedface_learning.data.synthetic.render import render

_IMAGES = 12  # of an identity, where the plan does not say
# Images rendered at once: enough to share numpy's cost per call. Always whole batches, so that an image comes out the same
# whether or not its neighbours are wanted.
_TOGETHER = 12
_KEPT_BYTES = 8 << 20


class SyntheticDataset:
    """Parametric faces, exact in identity. A `FaceDataset`.

    Each image follows from (seed, identity, image) alone, whichever others are rendered and however many there are.
    """

    name = "synthetic"

    def __init__(self, data: DataPlan, size: ImageSize, identities: int) -> None:
        self._size = size
        self._framing = Framing.of(data, size)
        self._seed = data.seed
        self._images = data.images_per_identity or _IMAGES
        self._index = {f"person-{index:06d}": index for index in range(identities)}
        self.identities = tuple(self._index)
        # A block of this size, freed once, teaches the C library's allocator to keep that much instead of giving it back to
        # the system after every layer of a face, which would cost a third of the time.
        np.empty(_KEPT_BYTES, np.uint8)

    def images(self, identity: str) -> Tensor:
        """uint8 (n, C, H, W). `InvalidInputError` for an unknown identity."""
        if identity not in self._index:
            raise InvalidInputError(f"data set 'synthetic' has no identity '{identity}' among its {len(self._index)}")
        index = self._index[identity]
        person = draw_person(self._seed, index)
        batches = [range(start, start + _TOGETHER) for start in range(0, self._images, _TOGETHER)]
        images_NCHW = torch.from_numpy(np.concatenate([self._render(person, index, batch) for batch in batches]))[
            : self._images
        ]
        if self._framing.low_resolution is None:
            return images_NCHW
        return torch.stack([to_tensor(self._framing.resize(to_image(image))) for image in images_NCHW])

    def _render(self, person: Person, index: int, images: range) -> NDArray[np.uint8]:
        generators = [generator_for(self._seed, index, image, 1) for image in images]
        return render(person, draw_nuisance(generators), self._size, grain=generators)
