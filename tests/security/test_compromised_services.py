"""A service that somebody has taken over acts during a whole run, on real servers, with all that it has: it changes nothing.

The attacker has the service's user in Redis, its key of S3 and its signing key. It knows what it could not see: all keys of
objects and all messages, as they are put. At each step it tries to put something else in the place of each object, to send
what others send, and to send again what was sent. What its own service makes is not forged: it may do that anyway
(docs/security.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
import redis
import structlog
from redis.exceptions import NoPermissionError

from fedface_control.upkeep.restore import restore_all
from fedface_core.access.permissions import Identity
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, CONTROL, EVALUATOR, ROUTES
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.ids import client_id
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.runtime.failing_steps import count_failure
from fedface_core.runtime.patience import WaitingNotes
from fedface_core.signing.errors import SignatureError
from fedface_core.signing.keys import own_keys
from fedface_core.signing.life import working_for
from fedface_core.signing.makers import MAKERS, senders
from fedface_core.signing.trailer import TRAILER_BYTES
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from fedface_stack.embedded_servers import HOST
from support.forging import Forge, Liar, commands_about, keys_to_come, signature_in, with_signature
from support.guarded_servers import BUCKET, SERVERS, Broker, Store, grant_of, secret_of
from support.guarded_services import GuardedServices, waiting
from support.masked_run import small_masked_plan
from support.tiny_run import tiny_plan, write_faces

SERVICE_OF = {
    Identity.CLIENT: CLIENT,
    Identity.AGGREGATOR: AGGREGATOR,
    Identity.EVALUATOR: EVALUATOR,
}
"""Identity → the service whose signing key it has. Control's key may make every decision about a run."""


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    use_deterministic_torch(1)
    return write_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture
def services(broker: Broker, store: Store, tmp_path: Path) -> Iterator[GuardedServices]:
    def settings_of(identity: Identity) -> dict[str, object]:
        return {
            "redis_url": broker.url(identity),
            "s3_endpoint": f"{HOST}:{store.ports[3]}",
            "s3_bucket": BUCKET,
            "s3_access_key": str(identity),
            "s3_secret_key": secret_of(identity),
        }

    with closing(GuardedServices(settings_of, tmp_path)) as made:
        yield made


def test_a_run_needs_no_more_rights_than_the_table_gives(services: GuardedServices, faces: Path) -> None:
    plan = tiny_plan(faces)
    with structlog.testing.capture_logs() as logs:
        run = services.run(plan, lambda _: None)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)
    assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []


def test_a_run_with_masks_needs_no_more_rights_either(services: GuardedServices) -> None:
    use_deterministic_torch(1)
    plan = small_masked_plan(rounds=1, secure_aggregation={"against": "lying", "corrupt": 0.1, "minimum": 4})
    with structlog.testing.capture_logs() as logs:
        run = services.run(plan, lambda _: None)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)
    assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []


class Attacker:
    """Acts as one identity at each step of a run, and counts what it did."""

    def __init__(self, broker: Broker, store: Store, services: GuardedServices, identity: Identity) -> None:
        self.done = Counter[str]()
        self._all_objects = store.operator()
        self._store = store.connect(identity)
        self._all_messages = redis.Redis.from_url(broker.operator_url())
        self._redis = broker.connect(identity)
        self._keyring = services.keyring(SERVICE_OF[identity])
        self._forge = Forge(broker.operator_url(5))
        self._may_put = {*grant_of(identity).puts}
        self._seen: set[object] = set()

    def act(self, run: Run) -> None:
        """Try everything once with each object and message that is new, and in each phase."""
        for key in (*self._all_objects.keys(""), *keys_to_come(run, run.plan.rounds)):
            if key not in self._seen and object_keys.kind(key) not in self._may_put:
                self._seen.add(key)
                self._replace(key)
        for queue, message in waiting(self._all_messages):
            if message not in self._seen:
                self._send(queue, message, "replayed")
        if (run.phase, run.round) not in self._seen:
            self._seen.add((run.phase, run.round))
            self._send_in_the_name_of_others(run)

    def close(self) -> None:
        """Close the connections."""
        for connection in (self._all_messages, self._redis, self._forge):
            connection.close()

    def _replace(self, key: str) -> None:
        for forged in (b"{}", b"\0" * 1000):
            with pytest.raises(UnavailableError, match="denies access"):
                self._store.put(key, forged)
            self.done["put refused"] += 1

    def _send_in_the_name_of_others(self, run: Run) -> None:
        for command in commands_about(run):
            if self._keyring.services & senders(command):
                continue  # its service may send it
            queue = ROUTES[type(command)].queue
            as_other = self._forge.message(Liar(self._keyring), command, run.correlation_id)
            own = signature_in(as_other).replace(min(senders(command)), min(self._keyring.services), 1)
            unknown = self._forge.message(own_keys(), command, run.correlation_id)
            for message in (as_other, with_signature(as_other, own), with_signature(as_other, None), unknown):
                self._send(queue, message, "forged")

    def _send(self, queue: str, message: bytes, what: str) -> None:
        self._seen.add(message)
        try:
            self._redis.lpush(queue, message)
        except NoPermissionError:
            self.done[f"{what} message refused by the server"] += 1
        else:
            self.done[f"{what} message sent"] += 1


@pytest.mark.parametrize("identity", SERVICE_OF)
def test_a_run_goes_on_as_if_nobody_attacked_it(
    broker: Broker, store: Store, services: GuardedServices, faces: Path, identity: Identity
) -> None:
    plan = tiny_plan(faces, rounds=1)
    with (
        closing(Attacker(broker, store, services, identity)) as attacker,
        structlog.testing.capture_logs() as logs,
    ):
        run = services.run(plan, attacker.act)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)
    assert attacker.done["put refused"] >= 30
    forged = [entry for entry in logs if entry["event"] == "message_forged"]
    assert len(forged) == attacker.done["forged message sent"] > 0
    assert services.dropped == []


@pytest.mark.parametrize("identity", SERVICE_OF)
def test_what_a_worker_notes_is_in_the_audit_trail_that_it_may_not_write(
    services: GuardedServices, faces: Path, identity: Identity
) -> None:
    """Its failing step and its wait for the store come to control, signed, and control's worker writes them down."""
    service = SERVICE_OF[identity]
    ports = services.ports(identity, service)
    noted: list[str] = []

    def work(run: Run) -> None:
        if run.phase is not RunPhase.RUNNING or noted:
            return
        noted.append(run.id)
        assert count_failure(ports, run.id, None, f"{service}.step", "KeyError") is None
        with structlog.contextvars.bound_contextvars(
            run_id=run.id, task=f"{service}.step", correlation_id=run.correlation_id
        ):
            WaitingNotes(ports)("S3 does not answer")

    run = services.run(tiny_plan(faces, rounds=1), work)
    events = services.api.ledger.events(run.id)
    assert [(event.name, event.data) for event in events if event.name in ("step_failing", "waiting")] == [
        ("step_failing", {"round": None, "reason": f"{service}.step: KeyError"}),
        ("waiting", {"service": service, "reason": "S3 does not answer"}),
    ]


class Replacer:
    """Replaces each object of one kind right after it was put, on a store that refuses nothing, with the client's key."""

    def __init__(self, store: Store, services: GuardedServices, kind: str) -> None:
        self.replaced: dict[str, bytes] = {}
        """Key → what lies there now, if nobody has put it anew."""
        self._kind = kind
        self._store = store.operator()
        self._in_the_name_of_others = SignedArtifacts(self._store, Liar(services.keyring(CLIENT)))
        self._unknown_key = SignedArtifacts(self._store, own_keys())

    def act(self, run: Run) -> None:
        """Replace what is new."""
        for key in self._store.keys(f"runs/{run.id}/"):
            if object_keys.kind(key) == self._kind and key not in self.replaced:
                self._replace(key, run)
                self.replaced[key] = self._store.get(key)

    def still_there(self) -> list[str]:
        """The keys at which nobody has put anything since."""
        return [key for key, data in self.replaced.items() if self._store.get(key) == data]

    def _replace(self, key: str, run: Run) -> None:
        """In turn: signed by the client, with the signature of before, signed with a key of nobody's, and not at all."""
        stored = self._store.get(key)
        content = stored[:-TRAILER_BYTES]
        changed = content[:-1] + bytes([content[-1] ^ 1])
        with working_for(run.correlation_id):
            match len(self.replaced) % 4:
                case 0:
                    self._in_the_name_of_others.put(key, changed)
                case 1:
                    self._store.put(key, changed + stored[-TRAILER_BYTES:])
                case 2:
                    self._unknown_key.put(key, changed)
                case _:
                    self._store.put(key, changed)


ON_ONE_BROKER = pytest.mark.parametrize("broker", SERVERS[:1], indirect=True)
"""What readers believe of the store is no question to the broker."""
MADE_BY_OTHERS = [kind for kind, maker in MAKERS.items() if maker != CLIENT]


# Only masked rounds have the objects of masks, and a run with masks takes minutes over real servers.
@ON_ONE_BROKER
@pytest.mark.parametrize("kind", [kind for kind in MADE_BY_OTHERS if kind not in {"row", *object_keys.OF_MASKS}])
def test_where_a_server_refuses_nothing_the_reader_does(
    store: Store, services: GuardedServices, faces: Path, kind: str
) -> None:
    plan = tiny_plan(faces, rounds=1)
    replacer = Replacer(store, services, kind)
    run = services.run(plan, replacer.act)
    assert replacer.replaced
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)
    reader = SignedArtifacts(store.operator(), services.keyring(CONTROL))
    for key in replacer.still_there():
        with pytest.raises(SignatureError, match=key):
            reader.get(key)


@ON_ONE_BROKER
def test_no_client_trains_with_a_row_that_another_service_has_made(
    store: Store, services: GuardedServices, faces: Path
) -> None:
    plan = tiny_plan(faces, rounds=1)
    replacer = Replacer(store, services, "row")
    run = services.run(plan, replacer.act)
    assert len(replacer.replaced) == 4
    enrolment, _ = simulate(plan).rounds
    assert (run.phase, run.model_sha256) == (RunPhase.FAILED, enrolment.aggregation.model_sha256)
    assert "is signed with the key" in str(run.failure)


@ON_ONE_BROKER
@pytest.mark.parametrize("kind", ["run", "manifest"])
def test_what_was_replaced_is_not_restored(
    broker: Broker, store: Store, services: GuardedServices, faces: Path, kind: str
) -> None:
    replacer = Replacer(store, services, kind)
    run = services.run(tiny_plan(faces, rounds=1), replacer.act)
    replacer.replaced.clear()
    replacer.act(run)
    with closing(redis.Redis.from_url(broker.operator_url())) as operator:
        operator.flushdb()
    restored, refused = restore_all(services.api)
    assert restored == []
    assert any(key in refused[run.id] for key in replacer.replaced)


@ON_ONE_BROKER
def test_an_update_that_lies_there_before_the_client_trained_is_not_adopted(
    store: Store, services: GuardedServices, faces: Path
) -> None:
    """Put with the rights of a client worker: another client's, one of nobody's, one without a signature."""
    plan = tiny_plan(faces, rounds=1)
    own = store.connect(Identity.CLIENT)
    by_nobody = SignedArtifacts(own, own_keys())
    placed: set[str] = set()

    def place(run: Run) -> None:
        if run.round is None:
            return
        keys = [object_keys.update(run.id, run.round, client_id(index)) for index in range(4)]
        there = {key for key in keys if key in store.operator().keys(f"runs/{run.id}/rounds/{run.round}/updates/")}
        for index, key in enumerate(keys):
            if key in there | placed:
                continue
            good = next(iter(there - placed), None)
            data = b"forged" if good is None else own.get(good)
            with working_for(run.correlation_id):
                (by_nobody if index % 2 else own).put(key, data)
            placed.add(key)

    run = services.run(plan, place)
    assert len(placed) > 4
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)


@ON_ONE_BROKER
def test_an_update_that_nobody_signed_is_not_summed_whatever_the_ledger_says(
    broker: Broker, store: Store, services: GuardedServices, faces: Path
) -> None:
    """Whoever has Redis and the store puts an update for a client, and accepts it, before the client has trained."""
    plan = tiny_plan(faces, rounds=1)
    victim = client_id(0)
    forged: list[str] = []
    ledger = RedisLedger(broker.operator_url())

    def accept(run: Run) -> None:
        if run.round != 1 or forged:
            return
        data = store.operator().get(object_keys.update(run.id, 0, victim))
        store.operator().put(object_keys.update(run.id, 1, victim), data)
        accepted = AcceptedUpdate(sha256=sha256(data).hexdigest(), size=len(data), images=2, loss_before=1, loss_after=1)
        forged.append(str(ledger.accept(run.id, 1, victim, accepted)))

    run = services.run(plan, accept)
    assert forged
    assert run.phase is RunPhase.COMPLETED
    aggregation = services.api.ledger.load_round(run.id, 1).aggregation
    assert aggregation is not None
    assert aggregation.refused == {victim: "unsigned"}
    assert aggregation.folded == 3
