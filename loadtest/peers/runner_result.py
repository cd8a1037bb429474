"""What a runner tells: when its rounds began and ended, and the global model after the first of them.

It is written in the runner's own environment, which has torch and safetensors and may have nothing of ours.
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
    """The rounds of one system: one to warm up, then those that count."""

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


def write_runner_result(result: RunnerResult, path: Path) -> None:
    """Write the file that the harness reads."""
    model = {name: tensor.detach().contiguous() for name, tensor in result.first_model.items()}
    save_file(model, path, metadata={"moments": json.dumps(result.moments), "torch": result.torch})


def read_runner_result(path: Path) -> RunnerResult:
    """Read a file of `write_runner_result`."""
    with safetensors.safe_open(path, framework="pt") as file:
        told = file.metadata()
    return RunnerResult(tuple(json.loads(told["moments"])), load_file(path), told["torch"])
