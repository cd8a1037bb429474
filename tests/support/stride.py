"""Which of the moments of a run a test goes through that could go through every one of them."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Stride:
    """Every ``step``-th moment, from the one with index ``first`` on; ``first`` is less than ``step``."""

    step: int
    first: int = 0

    @staticmethod
    def parsed(text: str) -> Stride:
        """The stride of an option: "7", or "7:2" for one whose first moment has index 2."""
        parts = re.fullmatch(r"([1-9][0-9]{0,3})(?::([0-9]{1,4}))?", text)
        if parts is None or int(parts[2] or 0) >= int(parts[1]):
            raise argparse.ArgumentTypeError(f"{text!r} is no STEP or STEP:FIRST, such as 7 or 7:2, with FIRST below STEP")
        return Stride(int(parts[1]), int(parts[2] or 0))

    def of(self, moments: Iterable[int]) -> Iterator[int]:
        """The moments that are gone through."""
        return itertools.islice(moments, self.first, None, self.step)

    def share(self, examples: int) -> int:
        """How many of the random examples are tried: their ``step``-th part, or one."""
        return max(1, examples // self.step)
