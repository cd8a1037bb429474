"""What a client worker can write, and what nobody believes: objects and messages of others, each forged.

The attacker can write to every place in the store and to every queue, and has the key of a client worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, SecretStr

from fedface_control.facts import handle_fact_of_its_run
from fedface_control.upkeep.restore import restore_all
from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, CONTROL, CORRELATION_HEADER, EVALUATOR, ROUTES
from fedface_core.domain.commands import EnrolClients, FoldShard, HandleFact, PrepareModel, ReduceRound, TrainClients
from fedface_core.domain.facts import (
    EvaluationSkipped,
    Fact,
    ModelPrepared,
    RoundReady,
    StepFailed,
    StepFailing,
    Waiting,
)
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import ArtifactStore
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.settings import WorkerSettings
from fedface_core.signing.errors import SignatureError, UnsignedError
from fedface_core.signing.keys import Keyring, TrustedKeys, own_keys
from fedface_core.signing.life import working_for
from fedface_core.signing.messages import SIGNATURE_HEADER, check_message, signature_of
from fedface_core.signing.trailer import TRAILER_BYTES
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from support.in_process import InProcess
from support.lost_ledger import lose
from support.tiny_run import tiny_plan, write_faces

RUN = "run-0123456789ab"
KEYS = {service: Ed25519PrivateKey.generate() for service in (CONTROL, CLIENT, AGGREGATOR, EVALUATOR)}
TRUSTED = TrustedKeys({service: [key.public_key()] for service, key in KEYS.items()})


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    use_deterministic_torch(1)
    return write_faces(tmp_path_factory.mktemp("faces"))


def keyring(service: str) -> Keyring:
    return Keyring({service: KEYS[service]}, TRUSTED)


def forged(data: bytes) -> bytes:
    """Another object of this kind, of which nobody notices from outside that it is one: one value is different."""
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("kind", ["partial", "aggregation"])
def test_what_a_client_puts_in_the_aggregators_place_does_not_become_the_model(faces: Path, kind: str) -> None:
    """Every object of the kind is replaced right after it was put: by itself without a signature, with a changed value."""
    services = InProcess(tiny_plan(faces, rounds=1))
    run_id = services.start()
    replaced: set[str] = set()

    def replace(run: Run) -> bool:
        for key in services.store.keys(f"runs/{run_id}/rounds/"):
            if object_keys.kind(key) == kind and key not in replaced:
                replaced.add(key)
                services.store.put(key, forged(services.ports.artifacts.get(key)))
        return run.phase is RunPhase.COMPLETED

    run = services.until(run_id, replace)
    assert replaced
    assert run.model_sha256 == simulate(services.plan).model_sha256


def test_an_update_that_lies_there_before_the_client_trained_is_not_adopted(faces: Path) -> None:
    """It is a good update of another client, which was signed: for that client's key."""
    services = InProcess(tiny_plan(faces, rounds=1))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    first, second = (object_keys.update(run_id, 1, f"client-00000{index}") for index in (0, 1))
    services.until(run_id, lambda _: first in services.store.keys(f"runs/{run_id}/rounds/1/"))
    services.store.put(second, services.store.get(first))
    run = services.to_end(run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(services.plan).model_sha256)


@pytest.mark.parametrize("service", [AGGREGATOR, EVALUATOR, CONTROL])
def test_only_a_client_worker_may_make_updates(service: str) -> None:
    services = InProcess(tiny_plan(Path("nowhere"), rounds=1))
    with pytest.raises(SignatureError, match=f"{service} may not make .*: only client may"):
        SignedArtifacts(services.store, keyring(service)).put(object_keys.update(RUN, 1, "client-000000"), b"forged")


def test_an_object_of_an_earlier_life_of_the_run_is_not_believed() -> None:
    services = InProcess(tiny_plan(Path("nowhere"), rounds=1))
    key = object_keys.update(RUN, 1, "client-000000")
    store = SignedArtifacts(services.store, own_keys())
    with working_for("first"):
        store.put(key, b"an update")
        assert store.get(key) == b"an update"
    with working_for("second"), pytest.raises(SignatureError, match="another life"):
        store.get(key)


def row_of_another_client(rows: Rows, key: str) -> bytes:
    return rows.store.get(sorted(rows.new - {key})[0])


def row_of_another_w(rows: Rows, key: str) -> bytes:
    return rows.store.get(next(old for old in rows.old if old.endswith(key.rpartition("/")[2])))


def row_of_another_life(rows: Rows, key: str) -> bytes:
    return rows.signed_by(AGGREGATOR, "another life", key)


def row_that_a_client_worker_signed(rows: Rows, key: str) -> bytes:
    return rows.signed_by(CLIENT, rows.run.correlation_id, key)


def row_with_a_changed_value(rows: Rows, key: str) -> bytes:
    data = rows.store.get(key)
    return bytes([data[0] ^ 1]) + data[1:]


def row_with_a_path_that_was_cut(rows: Rows, key: str) -> bytes:
    data = rows.store.get(key)
    return data[: -TRAILER_BYTES - 32] + data[-TRAILER_BYTES:].replace(b'"hashes":2', b'"hashes":1')


@dataclass(frozen=True)
class Rows:
    """The rows of a run's round with an attacker, and how he puts others in their place."""

    store: ArtifactStore
    run: Run
    old: frozenset[str]
    new: frozenset[str]

    def signed_by(self, service: str, life: str, key: str) -> bytes:
        """All rows of this W, signed together with what is the key of ``service`` in truth, for a life."""
        of_nobody = MemoryArtifacts()
        trusted_by_all = own_keys() if service == AGGREGATOR else Keyring({AGGREGATOR: KEYS[service]}, TRUSTED)
        with working_for(life):
            values = {name: (self.store.get(name)[:16],) for name in self.new}
            SignedArtifacts(of_nobody, trusted_by_all).put_all(values)
        return of_nobody.get(key)


@pytest.mark.parametrize(
    "forge",
    [
        *(row_of_another_client, row_of_another_w, row_of_another_life),
        *(row_that_a_client_worker_signed, row_with_a_changed_value, row_with_a_path_that_was_cut),
    ],
)
def test_no_client_trains_with_a_forged_row(faces: Path, forge: Callable[[Rows, str], bytes]) -> None:
    """All rows of a W share a signature: it makes no row of another client, another W or another life a right one."""
    services = InProcess(tiny_plan(faces, rounds=2))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    old = frozenset(services.store.keys(object_keys.rows(run_id)))
    services.until(run_id, lambda run: run.round == 2)
    new = frozenset(services.store.keys(object_keys.rows(run_id))) - old
    assert (len(old), len(new)) == (4, 4)
    before = services.ports.ledger.load(run_id)
    rows = Rows(services.store, before, old, new)
    forged = {key: forge(rows, key) for key in new}
    for key, data in forged.items():
        assert data != services.store.get(key)
        services.store.put(key, data)
    with structlog.testing.capture_logs() as logs:
        run = services.to_end(run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.FAILED, before.model_sha256)
    assert any(key in str(run.failure) for key in new)
    assert not [entry for entry in logs if entry["event"] == "update_delivered"]


@pytest.mark.parametrize("changed", [lambda data: data.replace(b"images", b"Images", 1), lambda data: data[:-384]])
def test_a_manifest_that_was_changed_in_the_store_is_refused_by_its_name(faces: Path, changed: Any) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    run = services.run()
    key = object_keys.manifest(run.id, 1)
    data = services.store.get(key)
    assert changed(data) != data
    services.store.put(key, changed(data))
    lose(services, run.id)
    restored, refused = restore_all(services.ports)
    assert restored == []
    assert key in refused[run.id]


def test_what_a_fedface_left_that_did_not_sign_is_restored_if_the_operator_says_so(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    key = object_keys.manifest(RUN, 1)
    services.store.put(key, b"{}")
    with pytest.raises(UnsignedError, match=f"{key} is not signed by control"):
        services.ports.artifacts.get(key)
    assert SignedArtifacts(services.store, own_keys(), ["manifest"]).get(key) == b"{}"


FORGED: list[BaseModel] = [
    PrepareModel(run_id=RUN),
    ReduceRound(run_id=RUN, round=1),
    *(
        HandleFact(run_id=RUN, fact=fact)
        for fact in (
            ModelPrepared(run_id=RUN, model_sha256="0" * 64),
            StepFailed(run_id=RUN, round=1, reason="forged"),
            StepFailed(run_id=RUN, round=1, reason="forged", fresh_cohort_may_help=True),
            EvaluationSkipped(run_id=RUN, round=1),
            RoundReady(run_id=RUN, round=1, because="operator"),
            StepFailing(run_id=RUN, step="aggregator.reduce_round", round=1, reason="forged"),
            Waiting(run_id=RUN, service="evaluator", reason="forged"),
        )
    ),
]


@pytest.mark.parametrize("command", FORGED, ids=lambda command: type(getattr(command, "fact", command)).__name__)
def test_a_client_worker_cannot_sign_what_only_others_send(command: BaseModel) -> None:
    body = command.model_dump(mode="json")
    with pytest.raises(SignatureError, match="client may not make"):
        signature_of(keyring(CLIENT), command, body, "life")
    header = signature_of(keyring(CLIENT), FoldShard(run_id=RUN, round=1, shard=0), body, "life")
    for name in (CLIENT, CONTROL):  # as itself, and in another's name
        with pytest.raises(SignatureError):
            check_message(keyring(CONTROL), command, body, "life", header.replace(CLIENT, name))
    with pytest.raises(UnsignedError):
        check_message(keyring(CONTROL), command, body, "life", None)


@pytest.mark.parametrize("change", ["command", "correlation id", "nothing"])
def test_a_signed_message_cannot_be_changed_or_sent_again_for_another_life(tmp_path: Path, change: str) -> None:
    redis = SecretStr("redis://:own@127.0.0.1:1/0")
    app = create_celery(WorkerSettings(redis_url=redis, artifacts="directory", artifact_directory=tmp_path))
    handled: list[BaseModel] = []
    register_handler(app, FoldShard, lambda command, _: handled.append(command))
    command = FoldShard(run_id=RUN, round=1, shard=0)
    body = command.model_dump(mode="json")
    headers = {CORRELATION_HEADER: "life", SIGNATURE_HEADER: signature_of(app.keyring, command, body, "life")}
    sent = body | ({"shard": 1} if change == "command" else {})
    headers |= {CORRELATION_HEADER: "another"} if change == "correlation id" else {}
    with structlog.testing.capture_logs() as logs:
        app.tasks[ROUTES[FoldShard].task].apply(kwargs={"command": sent}, headers=headers, throw=True)
    assert handled == ([command] if change == "nothing" else [])
    forged_events = [entry for entry in logs if entry["event"] == "message_forged"]
    assert len(forged_events) == (change != "nothing")


def test_a_fact_of_an_earlier_life_ends_no_run(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1))
    run_id = services.start()
    fact: Fact = StepFailed(run_id=run_id, round=None, reason="of a run that was deleted")
    handle_fact_of_its_run(services.ports, HandleFact(run_id=run_id, fact=fact), "an earlier life")
    assert services.ports.ledger.load(run_id).phase is RunPhase.PREPARING


def test_commands_of_an_earlier_life_fail_no_client_and_no_step(faces: Path) -> None:
    """They were signed, and are delivered once more in the life that the run has now."""
    services = InProcess(tiny_plan(faces, rounds=1))
    run_id = services.start()
    sent: list[BaseModel] = []
    while services.ports.ledger.load(run_id).phase not in ENDED:
        commands = [command for command in services.publisher.commands if not isinstance(command, HandleFact)]
        sent += [command for command in commands if command not in sent]
        with structlog.testing.capture_logs() as logs:
            for command in sent:
                services.deliver(command, "an earlier life")
        assert [entry["event"] for entry in logs] == ["command_ignored"] * len(sent)
        services.step()
    assert {type(command) for command in sent} >= {PrepareModel, EnrolClients, TrainClients, FoldShard, ReduceRound}
    run = services.ports.ledger.load(run_id)
    assert (run.phase, services.ports.ledger.failures(run_id)) == (RunPhase.COMPLETED, [])
    assert [services.ports.ledger.failed(run_id, number) for number in (0, 1)] == [{}, {}]
