"""The data set ``synthetic``: any number of synthetic people, whose images are rendered when they are read."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.plan import DataPlan
from fedface_core.domain.plan.data import IMAGES_OF_EACH
from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.framing import Framing, to_image, to_tensor
from fedface_learning.data.synthetic.draws import generator_for
from fedface_learning.data.synthetic.identity import Person, draw_person
from fedface_learning.data.synthetic.render import render
from fedface_learning.data.synthetic.scene import draw_scenes

# So many images are rendered at once, because each call of numpy costs time. Batches are always whole, so that an image
# does not depend on the number of images.
_BATCH_SIZE = 12
_ALLOCATOR_BYTES = 8 << 20


class SyntheticDataset:
    """A `FaceDataset` of parametric faces, in which all images of an identity show exactly one person.

    Each image follows from the seed, the identity and the image's number alone.
    """

    name = "synthetic"

    def __init__(self, data: DataPlan, size: ImageSize, identities: int) -> None:
        """So many identities, called ``person-000000`` and so on, with images of this size.

        `DataError` if the plan's low resolution is not below the height of the images.
        """
        self._size = size
        self._framing = Framing.of(data, size)
        self._seed = data.seed
        self._images = data.images_per_identity or IMAGES_OF_EACH["synthetic"]
        self._index = {f"person-{index:06d}": index for index in range(identities)}
        self.identities = tuple(self._index)
        # Once a block of this size was freed, the C library's allocator keeps so much memory. Else it would give memory back
        # to the system after every layer of a face, which costs a third of the time.
        np.empty(_ALLOCATOR_BYTES, np.uint8)

    def images(self, identity: str) -> Tensor:
        """All images of an identity (N, C, H, W), uint8. `DataError` if the identity is unknown."""
        if identity not in self._index:
            raise DataError(
                f"data set 'synthetic' has no identity '{identity}' among its {len(self._index)}",
                DataReason.NO_SUCH_IDENTITY,
                identities=len(self._index),
            )
        index = self._index[identity]
        person = draw_person(self._seed, index)
        batches = [range(start, start + _BATCH_SIZE) for start in range(0, self._images, _BATCH_SIZE)]
        images_NCHW = torch.from_numpy(np.concatenate([self._render(person, index, batch) for batch in batches]))[
            : self._images
        ]
        if self._framing.low_resolution is None:
            return images_NCHW
        return torch.stack([to_tensor(self._framing.resize(to_image(image))) for image in images_NCHW])

    def _render(self, person: Person, index: int, images: range) -> NDArray[np.uint8]:
        generators = [generator_for(self._seed, index, image, 1) for image in images]
        return render(person, draw_scenes(generators), self._size, noise_generators=generators)
