"""Networks of 32×32 pixels that train in milliseconds: a plan's part `model`."""

from __future__ import annotations

TINY = {
    "architecture": "spherenet-4",
    "height": 32,
    "width": 32,
    "channels": 1,
    "embedding_size": 16,
    "widths": (4, 8, 8, 8),
}
MOBILE = {
    "architecture": "mobilefacenet",
    "height": 32,
    "width": 32,
    "channels": 1,
    "embedding_size": 16,
    "widths": (8, 8, 8),
}
