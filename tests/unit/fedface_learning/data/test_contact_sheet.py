"""The contact sheet: each image in its row and column, and each name at the left of its row."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fedface_learning.data.contact_sheet import contact_sheet
from fedface_learning.data.framing import to_tensor

GAP = 3


class Faces:
    """A `FaceDataset` of random images, 20×16, of which ``bo`` has two and everybody else three."""

    name = "random"
    identities = ("ada", "bo", "cy")

    def images(self, identity: str) -> Tensor:
        draws = torch.Generator().manual_seed(self.identities.index(identity))
        return torch.randint(0, 256, (2 if identity == "bo" else 3, 3, 20, 16), dtype=torch.uint8, generator=draws)


def test_each_image_is_in_its_row_and_column() -> None:
    sheet = contact_sheet(Faces(), Faces.identities, 3)
    labels = sheet.width - 3 * (16 + GAP)
    for row, identity in enumerate(Faces.identities):
        images_NCHW = Faces().images(identity)
        for column, image_CHW in enumerate(images_NCHW):
            left = labels + column * (16 + GAP)
            top = GAP + row * (20 + GAP)
            assert torch.equal(to_tensor(sheet.crop((left, top, left + 16, top + 20))), image_CHW)
        name_HW = np.array(sheet.convert("L"))[GAP + row * (20 + GAP) :, :labels][:20]
        assert name_HW.min() < 255  # Something is written there.
    empty = sheet.crop((labels + 2 * (16 + GAP), GAP + 20 + GAP, sheet.width, GAP + 2 * (20 + GAP)))
    assert empty.getcolors() == [(empty.width * empty.height, (255, 255, 255))]


def test_fewer_images_make_a_smaller_sheet() -> None:
    large = contact_sheet(Faces(), Faces.identities, 3)
    small = contact_sheet(Faces(), Faces.identities[:2], 2)
    assert (large.width - small.width, large.height - small.height) == (16 + GAP, 20 + GAP)


def test_a_sheet_of_nobody_is_empty() -> None:
    assert contact_sheet(Faces(), (), 3).height == GAP
