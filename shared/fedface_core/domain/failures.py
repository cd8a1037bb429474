"""Failures of a step: how often it failed, for which reason, and when it is given up instead of being repeated for ever.

A step is one piece of work of one service in a run: the sum of one shard, the work of one client. The sweep publishes its
command again after an unexpected error, and the broker delivers it again after its process was killed. The ledger counts
both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.errors import StaleVersionError, UnavailableError, UnknownSchemaError

MOST_IN_A_ROW: Final = 5
"""A step that has failed so often for one reason is given up, unless the plan's `cohort.attempts` is larger."""
_ANY_REASON_FACTOR: Final = 4
"""A step that has failed this many times as often for changing reasons is given up too: they could alternate for ever."""
MOST_FAILING_CLIENTS: Final = 100
"""How many failing clients of a round the ledger remembers with their reasons. All are counted, by their attempts."""
_CLIENTS_WORK: Final = "the work of "

OUTLIVED: Final = (UnavailableError, StaleVersionError, UnknownSchemaError)
"""Errors that say nothing against a step: what it needs is away, somebody else was faster, or another version of FedFace is
at work meanwhile. Waiting is right after them, so they are not counted."""

PROCESS_ENDED: Final = (
    "its process ended before it did: it crashed, was killed for its memory, was stopped, or took longer than "
    "FEDFACE_TASK_TIME_LIMIT_SECONDS"
)
"""The reason of a failure that left no error, since the process that worked on the step is gone."""


class StepFailure(BaseModel):
    """The failures of one step since it last succeeded, or since its round came into its phase."""

    model_config = ConfigDict(frozen=True)

    step: str = Field(description="The task and what it was about, such as `aggregator.fold_shard of shard 3`.")
    reason: str = Field(description="The newest error: its type and its message, shortened, without secrets and numbers.")
    in_a_row: int = Field(description="How often the step has failed for this reason, without another one in between.")
    total: int = Field(description="How often the step has failed.")
    since: datetime = Field(description="When it first failed for this reason.")
    at: datetime = Field(description="When it last failed.")


def is_final(failure: StepFailure, attempts: int, times: int = 1) -> bool:
    """Whether the step is given up after this failure.

    ``attempts`` is the plan's `cohort.attempts`. A step that is tried more often than others has ``times`` as many chances.
    """
    most = times * max(MOST_IN_A_ROW, attempts)
    return failure.in_a_row >= most or failure.total >= _ANY_REASON_FACTOR * most


def shard_step(shard: int) -> str:
    """The step that sums a shard. The ledger forgets its failures once the shard's partial is recorded."""
    return f"aggregator.fold_shard of shard {shard}"


def client_step(client: str) -> str:
    """The step of a client in a round. The ledger forgets its failures once the client has settled."""
    return f"{_CLIENTS_WORK}{client}"


def is_client_step(step: str) -> bool:
    """Whether the step is that of a client."""
    return step.startswith(_CLIENTS_WORK)


def newest_first(failures: Iterable[StepFailure]) -> list[StepFailure]:
    """The failures by the time of the newest one, then by the name of the step."""
    by_name = sorted(failures, key=lambda failure: failure.step)
    return sorted(by_name, key=lambda failure: failure.at, reverse=True)
