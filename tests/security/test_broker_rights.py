"""Each identity tries what it must not do in Redis, with its own user. The server refuses it, whatever the code would do."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.retry import Retry

from fedface_core.access.permissions import Identity
from fedface_core.access.secret_names import with_redis_user
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, RecordingPublisher
from fedface_core.adapters.redis.dead_letters import RedisDeadLetters
from fedface_core.adapters.redis.keys import round_keys, run_keys
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.contracts.broker_keys import unacked_keys
from fedface_core.contracts.tasks import QUEUES
from fedface_core.domain.errors import MissingRightError, UnavailableError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import Ports
from fedface_core.runtime.dead_letters import bury
from fedface_core.runtime.failing_steps import count_failure
from fedface_core.runtime.patience import with_patience
from fedface_core.runtime.received_message import MessageFault, UnreadableMessageError
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST
from fedface_stack.local_ports import free_ports
from support.guarded_servers import SERVERS, Broker, broker_spec
from support.servers import running

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "run-0123456789ab"
PLAN = Plan.model_validate({"split": {"clients": 2}, "cohort": {"shard_size": 1}})
UPDATE = AcceptedUpdate(sha256="1" * 64, size=1, images=1)
WORKERS = (Identity.CLIENT, Identity.AGGREGATOR, Identity.EVALUATOR)
OWN_QUEUES = {
    **{one: {queue for queue in QUEUES if queue.split("-")[0] == one} for one in WORKERS},  # one for each kind of device
    Identity.SWEEP: {"control"},
    Identity.CONTROL: set(),
}
MAY_PUBLISH = {
    Identity.CONTROL: set(QUEUES),
    Identity.SWEEP: set(QUEUES),
    Identity.CLIENT: {*OWN_QUEUES[Identity.CLIENT], "control", "aggregator"},
    Identity.AGGREGATOR: {"aggregator", "control"},
    Identity.EVALUATOR: {*OWN_QUEUES[Identity.EVALUATOR], "control"},
}


def is_refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except NoPermissionError:
        return True
    except ResponseError as error:
        # Valkey and Redis from 7.2, and Redis 7.0.
        return str(error).startswith(("ACL failure in script", "The user executing the script can't access"))
    return False


@pytest.fixture
def run(broker: Broker) -> Run:
    """A run in its first training round, as control makes it."""
    ledger = RedisLedger(broker.url(Identity.CONTROL))
    made = Run(id=RUN, plan=PLAN, correlation_id="abc", created_at=NOW)
    ledger.create(made)
    opened = open_round(PLAN, RUN, 1, (client_id(0), client_id(1)), "0" * 64, ledger.now())
    return ledger.save(made, "round_opened", opened=opened)


def test_nobody_connects_without_a_name(broker: Broker) -> None:
    once = Retry(NoBackoff(), 0)  # by default redis-py asks four times, for nine seconds
    for password in (None, ""):
        client = redis.Redis(host=HOST, port=broker.port, password=password, retry=once)
        with client, pytest.raises(AuthenticationError):
            client.ping()


@pytest.mark.parametrize("password", [None, "", "any"])
def test_the_default_user_may_do_nothing(broker: Broker, password: str | None) -> None:
    """It has no password that anybody could give, whatever commands it has."""
    with socket.create_connection((HOST, broker.port)) as connection:
        login = b"" if password is None else f'AUTH default "{password}"\r\n'.encode()
        connection.sendall(login + b"GET fedface:runs\r\nQUIT\r\n")
        answers = connection.makefile("rb").read().splitlines()
    refusals = [answer for answer in answers if answer.startswith((b"-NOAUTH", b"-WRONGPASS"))]
    assert len(refusals) >= (1 if password is None else 2)
    assert all(answer.startswith(b"-") or answer == b"+OK" for answer in answers)


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_is_started_again_has_all_records(server: str, server_processes: Children, tmp_path: Path) -> None:
    """Redis 7.0 reads its append-only file as the default user, and drops each transaction that this user may not make."""
    (port,) = free_ports(1)
    spec = broker_spec(server, tmp_path, port)
    broker = Broker(port)
    with running(server_processes, spec, tmp_path):
        ledger = RedisLedger(broker.url(Identity.CONTROL))
        made = Run(id=RUN, plan=PLAN, correlation_id="abc", created_at=NOW)
        ledger.create(made)
        with broker.connect(Identity.CONTROL) as control, control.pipeline(transaction=True) as pipeline:
            pipeline.set("fedface:one", 1)
            pipeline.set("fedface:two", 2)
            pipeline.execute()
        with broker.operator() as operator:
            operator.shutdown(save=False)
    with running(server_processes, spec, tmp_path):
        assert RedisLedger(broker.url(Identity.CONTROL)).load(RUN) == made
        with broker.connect(Identity.CONTROL) as control:
            assert (control.get("fedface:one"), control.get("fedface:two")) == ("1", "2")


def test_control_reads_the_dead_letters_and_workers_put_them_down_only(broker: Broker) -> None:
    unreadable = UnreadableMessageError(MessageFault.NOT_JSON, "it is not JSON")
    for identity in (*WORKERS, Identity.SWEEP):
        with broker.connect(identity) as worker:
            bury(worker, str(identity), b"?", unreadable)
    read = RedisDeadLetters(broker.url(Identity.CONTROL)).newest(10)
    assert [letter.queue for letter in read] == [str(one) for one in (Identity.SWEEP, *reversed(WORKERS))]
    for identity in WORKERS:
        with pytest.raises(MissingRightError):
            RedisDeadLetters(broker.url(identity)).newest(10)


@pytest.mark.parametrize("identity", [Identity.METRICS, Identity.GATEWAY])
def test_who_needs_no_redis_has_no_user(broker: Broker, identity: Identity) -> None:
    with broker.connect(identity) as client, pytest.raises(AuthenticationError):
        client.ping()


def test_the_probe_may_ping_and_nothing_else(broker: Broker) -> None:
    with redis.Redis(host=HOST, port=broker.port, username="probe", password="any") as probe:
        assert probe.ping()
        assert all(is_refused(action) for action in (lambda: probe.get("client"), lambda: probe.info(), probe.dbsize))


@pytest.mark.parametrize("identity", with_redis_user())
def test_no_service_administers_the_server(broker: Broker, identity: Identity) -> None:
    with broker.connect(identity) as own:
        actions: list[Callable[[], object]] = [
            *(own.flushall, own.flushdb, own.shutdown, own.config_get, own.acl_list, own.keys, own.scan, own.dbsize),
            *(own.script_flush, own.script_kill, own.client_list, own.save, own.bgrewriteaof, own.slowlog_get),
            lambda: own.acl_setuser("client", enabled=True, nopass=True),
            lambda: own.replicaof("127.0.0.1", "1"),
        ]
        assert [number for number, action in enumerate(actions) if not is_refused(action)] == []


@pytest.mark.parametrize("identity", with_redis_user())
def test_no_service_uses_a_channel_so_none_controls_workers_remotely(broker: Broker, identity: Identity) -> None:
    with broker.connect(identity) as own:
        assert is_refused(lambda: own.publish("/0.celery.pidbox", "shutdown"))
        assert is_refused(lambda: own.execute_command("SUBSCRIBE", "/0.celery.pidbox"))


@pytest.mark.parametrize("identity", with_redis_user())
def test_a_service_takes_from_its_own_queue_only(broker: Broker, identity: Identity) -> None:
    with broker.connect(identity) as own:
        for queue in QUEUES:
            is_own = queue in OWN_QUEUES[identity]
            assert is_refused(partial(own.brpop, [queue], timeout=0.01)) is not is_own
            assert is_refused(partial(own.lrange, queue, 0, -1))
            for key in unacked_keys(queue).values():
                if "mutex" not in key:
                    continue
                assert is_refused(partial(own.get, key)) is not is_own
            assert is_refused(partial(own.hget, unacked_keys(queue)["unacked_key"], "tag")) is not is_own


@pytest.mark.parametrize("identity", with_redis_user())
def test_a_service_publishes_to_those_that_it_works_with(broker: Broker, identity: Identity) -> None:
    with broker.connect(identity) as own:
        allowed = {queue for queue in QUEUES if not is_refused(partial(own.lpush, queue, "message"))}
    assert allowed == MAY_PUBLISH[identity]


def test_a_client_worker_settles_clients(broker: Broker, run: Run) -> None:
    ledger = RedisLedger(broker.url(Identity.CLIENT))
    assert ledger.begin_attempt(RUN, 1, client_id(0)) == 1
    ledger.take_back_attempt(RUN, 1, client_id(0))
    assert ledger.accept(RUN, 1, client_id(0), UPDATE).refused is None
    ledger.record_late(RUN, 1, client_id(1))
    ledger.record_failure(RUN, 1, "client.train client-000001", "KeyError")
    ledger.fail(RUN, 1, client_id(1), "no photographs")
    assert ledger.load(RUN).version == run.version


def test_an_aggregator_records_partials(broker: Broker, run: Run) -> None:
    RedisLedger(broker.url(Identity.CLIENT)).accept(RUN, 1, client_id(0), UPDATE)
    ledger = RedisLedger(broker.url(Identity.AGGREGATOR))
    assert list(ledger.accepted(RUN, 1)) == [client_id(0)]
    assert ledger.record_partial(RUN, 1, 0) is False  # the round is open
    assert ledger.failed(RUN, 1) == {}
    ledger.record_failure(RUN, None, "aggregator.prepare_model", "KeyError")


def test_an_evaluator_reads_rounds(broker: Broker, run: Run) -> None:
    ledger = RedisLedger(broker.url(Identity.EVALUATOR))
    assert [found.id for found in ledger.runs(20)] == [RUN]
    assert [glance.round.number for glance in ledger.round_summaries(RUN)] == [1]
    ledger.record_failure(RUN, 1, "evaluator.evaluate_model", "KeyError")


@pytest.mark.parametrize("identity", WORKERS)
def test_no_worker_saves_a_run_or_a_round_or_writes_the_audit_trail(broker: Broker, run: Run, identity: Identity) -> None:
    ledger = RedisLedger(broker.url(identity))
    with pytest.raises(UnavailableError, match="allow the user"):
        ledger.save(run, "run_cancelled")
    with pytest.raises(UnavailableError, match="allow the user"):
        ledger.record_event(RUN, "forged", {})
    with pytest.raises(UnavailableError, match="allow the user"):
        ledger.delete(RUN)
    keys = run_keys(RUN)
    of_round = round_keys(RUN, 1)
    with broker.connect(identity) as own:
        actions: list[Callable[[], object]] = [
            lambda: own.hset(keys.run, "phase", "failed"),
            lambda: own.hset(of_round.round, "phase", "aggregating"),
            lambda: own.hset(of_round.round, "deadline", "0"),
            lambda: own.hset(of_round.members, client_id(7), 0),
            lambda: own.delete(of_round.round),
            lambda: own.delete(of_round.accepted),
            lambda: own.sadd(keys.rounds, 7),
            lambda: own.hset(keys.invited, client_id(0), 7),
            lambda: own.zadd("fedface:runs", {"run-ffffffffffff": 0}),
            lambda: own.xadd(keys.events, {"name": "forged"}),
            lambda: own.eval("return redis.call('HSET', KEYS[1], 'phase', 'failed')", 1, keys.run),
            lambda: own.eval("return redis.call('HSET', ARGV[1], 'phase', 'failed')", 0, keys.run),
        ]
        assert [number for number, action in enumerate(actions) if not is_refused(action)] == []


@pytest.mark.parametrize("identity", WORKERS)
def test_a_failing_step_of_a_worker_is_counted_at_once(broker: Broker, run: Run, identity: Identity) -> None:
    """Its event belongs into the audit trail, where no worker may write: a first failure held the worker up for minutes."""
    ledger = RedisLedger(broker.url(identity))
    ports = with_patience(Ports(ledger, MemoryArtifacts(), RecordingPublisher(), ManualClock()), 60)
    step = f"{identity}.step of shard 0"
    began = time.monotonic()
    assert count_failure(ports, RUN, 1, step, "KeyError") is None
    assert time.monotonic() - began < 5
    assert ledger.record_failure(RUN, 1, step, "KeyError").total == 2


@pytest.mark.parametrize("identity", [Identity.AGGREGATOR, Identity.EVALUATOR])
def test_only_client_workers_settle(broker: Broker, run: Run, identity: Identity) -> None:
    with pytest.raises(UnavailableError, match="allow the user"):
        RedisLedger(broker.url(identity)).accept(RUN, 1, client_id(0), UPDATE)
    assert RedisLedger(broker.url(Identity.CONTROL)).tally(RUN, 1).accepted == 0
