"""Names of what is computed on and how exactly, for plans, settings, tasks and the options of commands.

Nothing is imported here, so that a command's help, which shows them, is there at once.
"""

from __future__ import annotations

from typing import Final, Literal

DeviceKind = Literal["cpu", "cuda"]
"""A kind of device: the processor, or a GPU that torch reaches by CUDA."""
DeviceChoice = Literal["auto", DeviceKind]
"""What a command is asked for: ``auto`` is a GPU where there is one."""
Precision = Literal["float32", "tf32", "bfloat16"]
"""How products of matrices and convolutions are computed: in float32; on a GPU's tensor cores from float32 that is first
rounded to 10 bits (``tf32``); or from numbers of 16 bits (``bfloat16``), while weights stay float32."""

CPU: Final = "cpu"
CUDA: Final = "cuda"
