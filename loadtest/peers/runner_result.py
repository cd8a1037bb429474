"""The result of a runner: when its rounds began and ended, and the global model after the first round.

A runner writes it in its own environment, which has torch and safetensors and may have no package of FedFace.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
from safetensors.torch import load_file, save_file
from torch import Tensor


@dataclass(frozen=True)
class RunnerResult:
    """The rounds of one system: one round to warm up, then the rounds that count."""

    moments: tuple[float, ...]
    """Seconds since 1970: the beginning of the first round, then the end of each round."""
    first_model: Mapping[str, Tensor]
    """The global model after the first round."""
    torch: str = ""
    """The version of torch."""

    @property
    def rounds(self) -> tuple[float, ...]:
        """The seconds of each round, the first one included."""
        return tuple(end - begin for begin, end in zip(self.moments, self.moments[1:], strict=False))


def write_runner_result(result: RunnerResult, path: Path) -> None:
    """Write the result to a safetensors file."""
    model = {name: tensor.detach().contiguous() for name, tensor in result.first_model.items()}
    save_file(model, path, metadata={"moments": json.dumps(result.moments, allow_nan=False), "torch": result.torch})


def read_runner_result(path: Path) -> RunnerResult:
    """Read a result that `write_runner_result` has written."""
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    return RunnerResult(tuple(json.loads(metadata["moments"])), load_file(path), metadata["torch"])
