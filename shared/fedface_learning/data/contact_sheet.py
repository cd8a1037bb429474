"""A contact sheet: a picture of many images, with a row for each identity and a column for each image."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from fedface_learning.data.dataset import FaceDataset
from fedface_learning.data.framing import to_image

_MARGIN = 3  # pixels
_PAPER = (255, 255, 255)
_INK = (60, 60, 60)


def contact_sheet(dataset: FaceDataset, identities: Sequence[str], images_per_identity: int) -> Image.Image:
    """A contact sheet in RGB of the first images of each identity, with the identity's name at the left of its row.

    An identity with fewer than ``images_per_identity`` images leaves the end of its row empty.
    """
    rows = [[to_image(image) for image in dataset.images(identity)[:images_per_identity]] for identity in identities]
    font = ImageFont.load_default(12)
    label_width = max((int(font.getlength(identity)) for identity in identities), default=0) + 2 * _MARGIN
    width, height = rows[0][0].size if rows else (0, 0)
    sheet = Image.new(
        "RGB",
        (label_width + images_per_identity * (width + _MARGIN), _MARGIN + len(rows) * (height + _MARGIN)),
        _PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    for row, (identity, images) in enumerate(zip(identities, rows, strict=True)):
        top = _MARGIN + row * (height + _MARGIN)
        draw.text((_MARGIN, top + height // 2), identity, _INK, font, anchor="lm")
        for column, image in enumerate(images):
            sheet.paste(image.convert("RGB"), (label_width + column * (width + _MARGIN), top))
    return sheet
