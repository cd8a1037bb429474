"""The times that the simulation goes by, and the file that holds them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.errors import InvalidInputError

FILE: Final = Path(__file__).with_name("service_times.toml")


class Cost(BaseModel):
    """What a call costs, in milliseconds of processor time, and of waiting: a fixed part, and one for each unit of what it
    handles.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    server_ms: float = Field(default=0.0, ge=0)
    """Of the server that answers."""
    caller_ms: float = Field(default=0.0, ge=0)
    """Of the process that calls, or works."""
    waiting_ms: float = Field(default=0.0, ge=0)
    """For which the caller waits besides, while nobody computes: for a disk that flushes."""
    unit: str = ""
    """What the other three are for each of."""
    server_ms_per_unit: float = Field(default=0.0, ge=0)
    caller_ms_per_unit: float = Field(default=0.0, ge=0)
    waiting_ms_per_unit: float = Field(default=0.0, ge=0)
    measured: str
    """Where and how."""

    def server_seconds(self, units: float = 0.0) -> float:
        """Seconds of the server for a call with so many units."""
        return (self.server_ms + units * self.server_ms_per_unit) / 1000

    def of_a_unit(self) -> Cost:
        """The cost of one unit more."""
        return Cost(
            server_ms=self.server_ms_per_unit,
            caller_ms=self.caller_ms_per_unit,
            waiting_ms=self.waiting_ms_per_unit,
            measured=self.measured,
        )

    def caller_seconds(self, units: float = 0.0) -> float:
        """Seconds of the caller for a call with so many units."""
        return (self.caller_ms + units * self.caller_ms_per_unit) / 1000

    def waiting_seconds(self, units: float = 0.0) -> float:
        """Seconds for which the caller of a call with so many units waits for a disk."""
        return (self.waiting_ms + units * self.waiting_ms_per_unit) / 1000


class ServiceTimes(BaseModel):
    """Every figure that was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: dict[str, Cost]
    """Call of the ledger or the broker → its cost (`fedface_core.ports`)."""
    s3: dict[str, Cost]
    """Call of the store → its cost, if it is an S3 server."""
    directory: dict[str, Cost]
    """Call of the store → its cost, if it is a directory."""
    work: dict[str, Cost]
    """Piece of work → what it takes a process, without its calls."""

    @classmethod
    def read(cls, file: Path = FILE) -> Self:
        """Read a file of figures. `InvalidInputError` if it cannot be read, or is none."""
        try:
            return cls.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"{file} is no file of service times such as {FILE}: {error}") from error


def split_by_units(first: Cost, fewer: float, second: Cost, units: float, unit: str) -> Cost:
    """A fixed cost and one for each ``unit``, of what was measured with ``fewer`` and with ``units`` of them."""

    def split(of_first: float, of_second: float) -> tuple[float, float]:
        of_each = max(0.0, of_second - of_first) / (units - fewer)
        return max(0.0, of_first - fewer * of_each), of_each

    server_ms, server_ms_per_unit = split(first.server_ms, second.server_ms)
    caller_ms, caller_ms_per_unit = split(first.caller_ms, second.caller_ms)
    waiting_ms, waiting_ms_per_unit = split(first.waiting_ms, second.waiting_ms)
    return Cost(
        server_ms=server_ms,
        caller_ms=caller_ms,
        waiting_ms=waiting_ms,
        unit=unit,
        server_ms_per_unit=server_ms_per_unit,
        caller_ms_per_unit=caller_ms_per_unit,
        waiting_ms_per_unit=waiting_ms_per_unit,
        measured=second.measured,
    )


def as_toml(table: str, costs: dict[str, Cost]) -> str:
    """These costs as tables of the file."""
    lines = []
    for name, cost in costs.items():
        lines.append(f"[{table}.{name}]")
        for field, value in cost.model_dump(exclude_defaults=True).items():
            lines.append(f'{field} = "{value}"' if isinstance(value, str) else f"{field} = {value:.3g}")
        lines.append("")
    return "\n".join(lines)
