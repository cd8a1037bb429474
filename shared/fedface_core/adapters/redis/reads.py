"""What the ledger in Redis or Valkey tells. Whatever has to be of one moment is read in one step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fedface_core.adapters.audit_trail import check_event_id
from fedface_core.adapters.redis.keys import (
    RUNS,
    events_key,
    moment_of,
    participation_keys,
    recorded_event,
    round_key,
    round_keys,
    rounds_key,
    run_key,
)
from fedface_core.adapters.redis.records import (
    GLANCE_ANSWERS,
    glance_commands,
    glance_of,
    participation_of,
    readable_runs,
    whole_round,
)
from fedface_core.adapters.redis.server import RedisServer
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.cohort import Participation
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.round import Round, Tally
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import RecordedEvent, RoundGlance


class RedisReads:
    """The reading half of `RedisLedger`."""

    def __init__(self, server: RedisServer) -> None:
        self._ask = server.ask

    def load(self, run_id: str) -> Run:
        """See `RunLedger.load`."""
        (record,) = self._ask(("HGET", run_key(run_id), "record"))
        if record is None:
            raise NotFoundError(f"there is no run {run_id}")
        return read_versioned(Run, record)

    def runs(self, limit: int | None = None, before: str | None = None) -> Sequence[Run]:
        """See `RunLedger.runs`."""
        first = 0
        if before is not None:
            self.load(before)
            (rank,) = self._ask(("ZREVRANK", RUNS, before))
            first = rank + 1
        (ids,) = self._ask(("ZREVRANGE", RUNS, first, -1 if limit is None else first + limit - 1))
        return self._load_all(ids)

    def run_phases(self) -> Sequence[RunPhase]:
        """See `RunLedger.run_phases`."""
        (ids,) = self._ask(("ZRANGE", RUNS, 0, -1))
        phases = self._ask(*(("HGET", run_key(run_id), "phase") for run_id in ids))
        return [RunPhase(phase) for phase in phases if phase is not None]

    def participation(self, run_id: str) -> Mapping[str, Participation]:
        """See `RunLedger.participation`."""
        exists, *counts = self._ask(("EXISTS", run_key(run_id)), *(("HGETALL", key) for key in participation_keys(run_id)))
        if not exists:
            raise NotFoundError(f"there is no run {run_id}")
        return participation_of(*counts)

    def load_round(self, run_id: str, number: int) -> Round:
        """See `RunLedger.load_round`."""
        ((record, cohort),) = self._ask(("HMGET", round_key(run_id, number), "record", "cohort"))
        return whole_round(self._opened(record, run_id, number), cohort)

    def rounds(self, run_id: str) -> Sequence[Round]:
        """See `RunLedger.rounds`."""
        keys = [round_key(run_id, number) for number in self._numbers(run_id)]
        return [whole_round(*fields) for fields in self._ask(*(("HMGET", key, "record", "cohort") for key in keys))]

    def glance(self, run_id: str, number: int) -> RoundGlance:
        """See `RunLedger.glance`."""
        answers = self._ask(*glance_commands(run_id, number), atomically=True)
        self._opened(answers[0], run_id, number)
        return glance_of(answers)

    def glances(self, run_id: str) -> Sequence[RoundGlance]:
        """See `RunLedger.glances`."""
        asked = [glance_commands(run_id, number) for number in self._numbers(run_id)]
        answers = self._ask(*(command for commands in asked for command in commands))
        return [glance_of(some) for some in zip(*[iter(answers)] * GLANCE_ANSWERS, strict=True)]

    def stragglers(self, run_id: str, number: int, count: int) -> Sequence[str]:
        """See `RunLedger.stragglers`."""
        round_, _, unsettled, *_ = round_keys(run_id, number)
        cursor, found = 0, set[str]()
        while len(found) < count:  # to have all of them sorted would keep Redis busy for milliseconds
            exists, (cursor, some) = self._ask(("EXISTS", round_), ("SSCAN", unsettled, cursor, "COUNT", 20 * count))
            self._opened(exists or None, run_id, number)
            found.update(some)
            if cursor == 0:
                break
        return sorted(found)[:count]

    def tally(self, run_id: str, number: int) -> Tally:
        """See `RunLedger.tally`."""
        round_, _, unsettled, _, accepted, accepted_shards, failed, _, folded = round_keys(run_id, number)
        activity, *counts = self._ask(
            ("HGET", round_, "last_activity"),
            ("HLEN", accepted),
            ("HLEN", failed),
            ("SMEMBERS", unsettled),
            ("SMEMBERS", accepted_shards),
            ("SMEMBERS", folded),
            atomically=True,
        )
        self._opened(activity, run_id, number)
        return Tally(
            accepted=counts[0],
            failed=counts[1],
            unsettled=frozenset(counts[2]),
            accepted_shards=frozenset(map(int, counts[3])),
            folded_shards=frozenset(map(int, counts[4])),
            last_activity=moment_of(int(activity)),
        )

    def accepted(self, run_id: str, number: int, clients: Iterable[str] | None = None) -> Mapping[str, AcceptedUpdate]:
        """See `RunLedger.accepted`."""
        key = round_key(run_id, number)
        if clients is None:
            exists, found = self._ask(("EXISTS", key), ("HGETALL", f"{key}:accepted"))
        else:
            wanted = ["", *sorted(set(clients))]  # nobody's name in front, since Redis takes no request for no field
            exists, values = self._ask(("EXISTS", key), ("HMGET", f"{key}:accepted", *wanted))
            found = {client: value for client, value in zip(wanted, values, strict=True) if value is not None}
        self._opened(exists or None, run_id, number)
        return {client: AcceptedUpdate.model_validate_json(found[client]) for client in sorted(found)}

    def accepted_clients(self, run_id: str, number: int) -> Sequence[str]:
        """See `RunLedger.accepted_clients`."""
        key = round_key(run_id, number)
        exists, clients = self._ask(("EXISTS", key), ("HKEYS", f"{key}:accepted"))
        self._opened(exists or None, run_id, number)
        return sorted(clients)

    def failed(self, run_id: str, number: int) -> Mapping[str, str]:
        """See `RunLedger.failed`."""
        key = round_key(run_id, number)
        exists, failed = self._ask(("EXISTS", key), ("HGETALL", f"{key}:failed"))
        self._opened(exists or None, run_id, number)
        return dict(sorted(failed.items()))

    def events(self, run_id: str, after: str | None = None, limit: int = 1000) -> Sequence[RecordedEvent]:
        """See `RunLedger.events`."""
        if after is not None:
            check_event_id(after)
        start = "-" if after is None else f"({after}"
        exists, entries = self._ask(("EXISTS", run_key(run_id)), ("XRANGE", events_key(run_id), start, "+", "COUNT", limit))
        if not exists:
            raise NotFoundError(f"there is no run {run_id}")
        return [recorded_event(entry_id, fields) for entry_id, fields in entries]

    def ping(self) -> None:
        """See `RunLedger.ping`."""
        self._ask(("PING",))

    def _load_all(self, ids: Sequence[str]) -> list[Run]:
        records = self._ask(*(("HGET", run_key(run_id), "record") for run_id in ids))
        return readable_runs(dict(zip(ids, records, strict=True)))

    def _numbers(self, run_id: str) -> list[int]:
        exists, numbers = self._ask(("EXISTS", run_key(run_id)), ("SMEMBERS", rounds_key(run_id)))
        if not exists:
            raise NotFoundError(f"there is no run {run_id}")
        return sorted(map(int, numbers))

    def _opened(self, answer: Any, run_id: str, number: int) -> Any:
        """The answer, unless it is the None of a round that was never opened."""
        if answer is None:
            self.load(run_id)  # says so where it is the run that is missing
            raise NotFoundError(f"{run_id} has no round {number}")
        return answer
