"""How a time grows with a size: a power law, which is a straight line on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict


class PowerLaw(BaseModel):
    """The time t(n) ≈ factor · n^exponent, in seconds, of a size n."""

    model_config = ConfigDict(frozen=True)

    exponent: float
    factor_seconds: float

    @classmethod
    def fit(cls, sizes: Sequence[float], seconds: Sequence[float]) -> PowerLaw:
        """Fit by least squares of the logarithms. There must be two sizes or more, and all numbers must be above zero."""
        exponent, intercept = np.polyfit(np.log(sizes), np.log(seconds), 1)
        return cls(exponent=float(exponent), factor_seconds=float(np.exp(intercept)))
