"""How a time grows with a size: the power of a straight line on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict


class Growth(BaseModel):
    """The time t(n) ≈ factor · n^exponent over a size n, by least squares of the logarithms."""

    model_config = ConfigDict(frozen=True)

    exponent: float
    factor_seconds: float

    @classmethod
    def of(cls, sizes: Sequence[float], seconds: Sequence[float]) -> Growth:
        """The fit. There are two sizes or more, and all numbers are above zero."""
        exponent, intercept = np.polyfit(np.log(sizes), np.log(seconds), 1)
        return cls(exponent=float(exponent), factor_seconds=float(np.exp(intercept)))
