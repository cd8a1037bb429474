"""Published weights of other projects' networks: how to recognise them, and how they become weights of ours."""

from __future__ import annotations

from typing import Final

from fedface_learning.models.layouts.layout import Layout

LAYOUTS: Final[tuple[Layout, ...]] = ()
"""Every layout that can be imported."""
