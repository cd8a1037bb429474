"""What a runner tells: when its rounds began and ended, and the global model after the first of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fedface_learning.formats.codec import decode_tensors, encode_tensors


@dataclass(frozen=True)
class Outcome:
    """One run of a system: a round to warm up, then those that count."""

    moments: tuple[float, ...]
    """Seconds since 1970: the beginning of the first round, then the end of each."""
    first_model: Mapping[str, Tensor]
    """The global model after the first round."""
    torch: str = ""
    """The version it ran on."""

    @property
    def rounds(self) -> tuple[float, ...]:
        """How long each round took, the first included."""
        return tuple(end - begin for begin, end in zip(self.moments, self.moments[1:], strict=False))


def write_outcome(outcome: Outcome, path: Path) -> None:
    """Write the file that the harness reads."""
    path.write_bytes(encode_tensors(outcome.first_model, {"moments": outcome.moments, "torch": outcome.torch}))


def read_outcome(path: Path) -> Outcome:
    """The inverse of `write_outcome`."""
    model, told = decode_tensors(path.read_bytes())
    return Outcome(tuple(told["moments"]), model, told["torch"])
