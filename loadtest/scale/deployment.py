"""What is simulated: the clients of a round and their model, and the processes and servers that carry it out."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from fedface_core.domain.plan.cohort import CohortPlan


class Workload(BaseModel):
    """The training rounds that are carried out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clients: PositiveInt
    """Of a round; all are in the cohort, and none fails."""
    runs: PositiveInt = 1
    """How many runs have such a round open at once."""
    training_ms: float = Field(gt=0)
    """What a client trains for."""
    update_megabytes: float = Field(gt=0)
    delivery: Literal["single", "combined"] = "single"
    shard_size: PositiveInt | None = None
    """None as a plan has it by default."""
    spreadout_steps: int = Field(default=10, ge=0)
    """Each compares every client with every other."""
    has_rows: bool = True
    """Whether clients read rows of W, which the reducer puts one by one; not with `gaussian-negatives`."""

    @property
    def clients_of_a_shard(self) -> int:
        """How many clients a shard has; the last one may have fewer."""
        return CohortPlan(shard_size=self.shard_size).shard_size_for(self.clients)


class Deployment(BaseModel):
    """The processes and servers. A process has a core of its own, unless all of them share ``cores``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_workers: PositiveInt
    aggregators: PositiveInt = 1
    redis_nodes: PositiveInt = 1
    """A run's ledger is on one of them. The broker is on the first."""
    store: Literal["s3", "directory"] = "s3"
    store_cores: PositiveInt = 8
    """Requests that the S3 server works at together; ten servers of eight cores are 80."""
    round_trip_ms: float = Field(default=0.2, ge=0)
    """What the network adds to each call."""
    cores: PositiveInt | None = None
    """Of a single machine on which everything runs; None if every process has a core of its own."""
    fan_in: PositiveInt | None = None
    """Aggregators merge so many partials to one before the reduce, which is not built; None as it is."""
    row_putters: PositiveInt = 1
    """How many aggregators put the rows of W; more than the reducer is not built."""
