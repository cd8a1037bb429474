"""The one-cycle schedule of a learning rate (Smith and Topin, *Super-convergence*, 2017), without its fall far below 0."""

from __future__ import annotations

from math import cos, pi
from typing import Final

RISING: Final = 0.3
"""The share of the steps in which the rate rises."""


def one_cycle_rate(peak: float, share_done: float) -> float:
    """The learning rate when ``share_done`` (0 to 1) of all steps is done.

    It rises in a straight line to ``peak``, and falls from there to 0 along half a cosine.
    """
    if share_done < RISING:
        return peak * share_done / RISING
    return peak * 0.5 * (1 + cos(pi * (share_done - RISING) / (1 - RISING)))
