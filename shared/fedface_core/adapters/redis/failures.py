"""The failures of steps in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import structlog

from fedface_core.adapters.redis.keys import from_microseconds, round_keys, run_keys
from fedface_core.adapters.redis.lookup import RunLookup
from fedface_core.domain.failures import MOST_FAILING_CLIENTS, StepFailure, is_client_step, newest_first
from fedface_core.domain.reasons import LONGEST_STORED_REASON, identity

log = structlog.get_logger(__name__)


class RedisFailures(RunLookup):
    """The methods of `RunLedger` about failures of steps, in Redis or Valkey."""

    def record_failure(self, run_id: str, number: int | None, step: str, reason: str) -> StepFailure:
        """Count a failure of a step, in one atomic step, and return how often the step has failed."""
        reason = reason[:LONGEST_STORED_REASON]
        owner = run_keys(run_id).run if number is None else round_keys(run_id, number).round
        room = MOST_FAILING_CLIENTS if is_client_step(step) else ""
        counts = self._server.run_script(
            "record_failure.lua",
            keys=[_failures_key(run_id, number)],
            args=[owner, step, identity(reason), reason, self._given_time(), room],
        )
        if number is None:
            self._require_run(counts is not None, run_id)
        else:
            self._require_round(counts is not None, run_id, number)
        return _failure(step, reason, counts)

    def forget_failures(self, run_id: str, number: int | None, step: str) -> None:
        """Forget the failures of a step, since it has succeeded."""
        with self._server.pipeline() as pipeline:
            pipeline.hdel(_failures_key(run_id, number), step)
            pipeline.execute()

    def failures(self, run_id: str, number: int | None = None) -> Sequence[StepFailure]:
        """The failures of steps of the run itself, and of its round ``number`` if that is given: the newest first."""
        with self._server.pipeline() as pipeline:
            pipeline.hgetall(_failures_key(run_id, None))
            if number is not None:
                pipeline.hgetall(_failures_key(run_id, number))
            stored = pipeline.execute()
        return newest_first(failure for of_one in stored for failure in readable_failures(of_one))


def _failures_key(run_id: str, number: int | None) -> str:
    return run_keys(run_id).failures if number is None else round_keys(run_id, number).failures


def readable_failures(stored: Mapping[str, str]) -> Iterator[StepFailure]:
    """The failures in ``step → value``. A value that cannot be read is logged and left out: every service may write here."""
    for step, value in stored.items():
        try:
            counts, _, reason = value.split("\n", 2)
            yield _failure(step, reason, counts.split(" "))
        except (ValueError, OverflowError) as error:  # another form, or a time that no calendar has
            log.warning("failure_unreadable", step=step, reason=str(error))


def _failure(step: str, reason: str, counts: Iterable[str]) -> StepFailure:
    """The failures of a step from the four numbers that the script keeps: in a row, in total, since and at, in µs."""
    in_a_row, total, since, at = map(int, counts)
    return StepFailure(
        step=step,
        reason=reason,
        in_a_row=in_a_row,
        total=total,
        since=from_microseconds(since),
        at=from_microseconds(at),
    )
