"""The systems that are compared: their names, their environments, and how they are started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_LIMIT: Final = "bare-loop"
_LIMIT_CHANNELS_LAST: Final = "bare-loop-channels-last"
LIMITS: Final[tuple[str, ...]] = (_LIMIT, _LIMIT_CHANNELS_LAST)
"""The names of the systems with which the others are compared, if these are measured, too."""


@dataclass(frozen=True)
class System:
    """A system: one row of the table."""

    name: str
    label: str
    runner: str
    """The module of `loadtest.peers.runners`."""
    variant: str = "-"
    """An argument of the runner, such as the store."""
    environment: str | None = None
    """The name of the virtual environment that it needs; None runs in this one."""
    launcher: tuple[str, ...] = ()
    """Arguments of Python before the runner, which start it in several processes."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that are added."""

    @property
    def short_label(self) -> str:
        """The label without the number of processes."""
        return self.label.replace(", 2 processes", "")


# Ray gives its workers a niceness of 15 by default, with which the driver and every other process on the machine would slow
# them. And no usage statistics are sent.
_RAY: Final = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "FLWR_TELEMETRY_ENABLED": "0"}
_ON_CPU: Final = {"PFL_PYTORCH_DEVICE": "cpu"}  # where all others compute, too
_TORCHRUN: Final = ("torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2", "-m")

_ALL: Final = (
    System(_LIMIT, "bare loop, 2 processes", "bare_loop", "default"),
    System(_LIMIT_CHANNELS_LAST, "bare loop, channels-last, 2 processes", "bare_loop", "channels-last"),
    System("flower", "Flower 1.41.0, 2 actors", "flower", environment="flower", variables=_RAY),
    System("pfl-1", "pfl-research 0.6.0, 1 process", "pfl_research", environment="pfl", variables=_ON_CPU),
    System(
        "pfl-2",
        "pfl-research 0.6.0, 2 processes",
        "pfl_research",
        environment="pfl",
        launcher=_TORCHRUN,
        variables={"GLOO_SOCKET_IFNAME": "lo", **_ON_CPU},
    ),
    System("ours", "FedFace, 2 client workers, directory store", "stack", "directory"),
    System("ours-combined", "FedFace, 2 client workers, directory store, combined delivery", "stack", "directory+combined"),
    System("ours-s3", "FedFace, 2 client workers, S3 store", "stack", "s3"),
    System("ours-in-process", "FedFace, 1 process", "in_process"),
)
SYSTEMS: Final = {system.name: system for system in _ALL}
PEERS: Final = tuple(system.name for system in _ALL if system.environment is not None)
"""The names of the systems of others."""
OURS: Final = tuple(name for name in SYSTEMS if name not in (*LIMITS, *PEERS))
"""The names of the systems of FedFace, which are compared with the peers besides."""
