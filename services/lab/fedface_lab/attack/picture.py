"""The picture of an attack: the client's images, beside what its update shows, and what the sum of its shard shows."""

from __future__ import annotations

from typing import Final

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fedface_lab.attack.invert import Inverted
from fedface_learning.data.framing import to_image

_MARGIN: Final = 6  # pixels
_LEAST_HEIGHT: Final = 220  # of an image: small ones are enlarged, so that each of their pixels can be seen
_HEAD: Final = 20
_PAPER: Final = (255, 255, 255)
_INK: Final = (60, 60, 60)


def draw_attack(inverted: Inverted) -> Image.Image:
    """The picture in RGB: a row for each image, a column for each source."""
    columns = {
        "photograph": inverted.original_NCHW,
        "from its update": inverted.from_update_NCHW,
        f"from a sum of {inverted.clients_in_sum}": inverted.from_sum_NCHW,
    }
    _, _, height, width = inverted.original_NCHW.shape
    enlarged = max(1, -(-_LEAST_HEIGHT // height))
    cell = (width * enlarged, height * enlarged)
    rows = len(inverted.original_NCHW)
    size = (len(columns) * (cell[0] + _MARGIN) + _MARGIN, _HEAD + rows * (cell[1] + _MARGIN))
    picture = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(12)
    for column, (title, images_NCHW) in enumerate(columns.items()):
        left = _MARGIN + column * (cell[0] + _MARGIN)
        draw.text((left, 3), title, _INK, font)
        for row, image_CHW in enumerate(images_NCHW):
            picture.paste(_enlarged(image_CHW, cell), (left, _HEAD + row * (cell[1] + _MARGIN)))
    return picture


def _enlarged(image_CHW: Tensor, size: tuple[int, int]) -> Image.Image:
    return to_image(image_CHW).convert("RGB").resize(size, Image.Resampling.NEAREST)
