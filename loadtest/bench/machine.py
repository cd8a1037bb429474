"""The machine that a figure was measured on: a figure without it says little."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_CPU_INFO = Path("/proc/cpuinfo")
_MEMORY_INFO = Path("/proc/meminfo")


class Machine(BaseModel):
    """What it is, and how busy it was when the measurement began."""

    model_config = ConfigDict(frozen=True)

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    torch: str
    load_before: float
    """The load average over the last minute: on a quiet machine well below 1."""

    def __str__(self) -> str:
        """One line for the head of a table."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.system}, Python {self.python}, "
            f"torch {self.torch}, load before {self.load_before:.2f}"
        )


def this_machine() -> Machine:
    """The machine we run on."""
    return Machine(
        cpu=_field(_CPU_INFO, "model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(int(_field(_MEMORY_INFO, "MemTotal").split()[0]) / 2**20, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        torch=version("torch"),
        load_before=round(os.getloadavg()[0], 2),
    )


def _field(file: Path, name: str) -> str:
    """The first value of a "name : value" file; empty where there is none."""
    lines = (line.split(":", 1) for line in file.read_text(encoding="utf-8").splitlines() if ":" in line)
    return next((value.strip() for key, value in lines if key.strip() == name), "")
