"""A round of ten thousand clients in a real Valkey is opened, settled and counted quickly."""

from __future__ import annotations

from datetime import UTC, datetime

import redis

from fedface_core.adapters.memory import ManualClock
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.ids import client_id, new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHA = "0" * 64
CLIENTS = 10_000


def open_large_round(ledger: RedisLedger, clients: int) -> str:
    """The run's id."""
    plan = Plan.model_validate({"split": {"clients": clients}})
    run = Run(id=new_run_id(), plan=plan, correlation_id="abc", created_at=NOW)
    ledger.create(run)
    opened = open_round(plan, run.id, 0, tuple(client_id(index) for index in range(clients)), SHA, NOW)
    ledger.save(run, "round_opened", opened=opened)
    return run.id


def server_seconds(server: redis.Redis) -> float:
    """How long the server has worked since its statistics were reset: that depends less on how busy the machine is."""
    statistics = server.info("commandstats")
    return float(sum(each["usec"] for each in statistics.values())) / 1e6


def test_opening_and_counting_keep_the_server_busy_for_well_under_a_second(ledger_url: str) -> None:
    """Nobody else is served meanwhile."""
    ledger = RedisLedger(ledger_url, clock=ManualClock(NOW))
    with redis.Redis.from_url(ledger_url, decode_responses=True) as server:
        server.config_resetstat()
        run_id = open_large_round(ledger, CLIENTS)
        assert server_seconds(server) < 0.5
        server.config_resetstat()
        tally = ledger.tally(run_id, 0)
        assert server_seconds(server) < 0.1
    assert len(tally.unsettled) == CLIENTS


def test_the_cost_of_a_summary_does_not_depend_on_the_cohort(ledger_url: str) -> None:
    ledger = RedisLedger(ledger_url, clock=ManualClock(NOW))
    microseconds = {}
    with redis.Redis.from_url(ledger_url, decode_responses=True) as server:
        for clients in (200, CLIENTS):
            run_id = open_large_round(ledger, clients)
            server.config_resetstat()
            for _ in range(50):
                summary = ledger.round_summary(run_id, 0)
                assert (summary.invited, summary.unsettled) == (clients, clients)
                named = ledger.stragglers(run_id, 0, 5)
                assert len(named) == 5
                assert named == ledger.stragglers(run_id, 0, 5), "repeated calls name the same clients"
            statistics = server.execute_command("INFO", "commandstats")
            microseconds[clients] = sum(each["usec"] for each in statistics.values()) / 50
    assert microseconds[CLIENTS] < 5 * microseconds[200] + 100, microseconds


def test_every_straggler_is_found(ledger_url: str) -> None:
    ledger = RedisLedger(ledger_url, clock=ManualClock(NOW))
    run_id = open_large_round(ledger, 1000)
    everyone = [client_id(index) for index in range(1000)]
    assert ledger.stragglers(run_id, 0, 1000) == ledger.stragglers(run_id, 0, 5000) == everyone
    update = AcceptedUpdate(sha256=SHA, size=1000, images=3)
    for client in everyone[:998]:
        ledger.accept(run_id, 0, client, update)
    assert ledger.stragglers(run_id, 0, 5) == everyone[998:]


def test_the_cost_of_settling_a_client_does_not_depend_on_the_cohort(ledger_url: str) -> None:
    ledger = RedisLedger(ledger_url, clock=ManualClock(NOW))
    update = AcceptedUpdate(sha256=SHA, size=1000, images=3)
    microseconds = {}
    with redis.Redis.from_url(ledger_url, decode_responses=True) as server:
        for clients in (200, CLIENTS):
            run_id = open_large_round(ledger, clients)
            server.config_resetstat()
            for index in range(200):
                assert ledger.accept(run_id, 0, client_id(index), update).refused is None
            # The time that the server itself measures depends less on how busy the machine is.
            statistics = server.execute_command("INFO", "commandstats")["cmdstat_evalsha"]
            microseconds[clients] = statistics["usec_per_call"]
    # A step that is linear in the cohort would take 50 times as long.
    assert microseconds[CLIENTS] < 5 * microseconds[200] + 100, microseconds
