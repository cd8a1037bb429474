"""The machine on which a figure was measured; without it a figure says little."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

_CPU_INFO = Path("/proc/cpuinfo")  # neither `psutil` nor `platform` has the name of the processor on Linux


class Machine(BaseModel):
    """Hardware and software of a machine, and how busy it was when the measurement began."""

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
        """One line for the caption of a table."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.system}, Python {self.python}, "
            f"torch {self.torch}, load before {self.load_before:.2f}"
        )


def this_machine() -> Machine:
    """Describe the machine on which this process runs."""
    return Machine(
        cpu=_processor_name() or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        torch=version("torch"),
        load_before=round(os.getloadavg()[0], 2),
    )


def _processor_name() -> str:
    """The model of the first processor; empty if the system does not name it."""
    lines = (line.split(":", 1) for line in _CPU_INFO.read_text(encoding="utf-8").splitlines() if ":" in line)
    return next((value.strip() for key, value in lines if key.strip() == "model name"), "")
