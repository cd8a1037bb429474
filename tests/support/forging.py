"""What an attacker makes who has the signing key of one service: objects and messages in the name of others."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import redis
from pydantic import BaseModel, SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import queue_of
from fedface_core.domain.commands import (
    EvaluateModel,
    FoldShard,
    HandleFact,
    PrepareModel,
    ReduceRound,
    Sweep,
    TrainClients,
)
from fedface_core.domain.facts import (
    EvaluationSkipped,
    Fact,
    ModelPrepared,
    RoundReady,
    StepFailed,
    StepFailing,
    Waiting,
)
from fedface_core.domain.ids import client_id
from fedface_core.domain.run import Run
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_core.signing.keys import Keyring, Signature
from fedface_core.signing.messages import SIGNATURE_HEADER

DIGEST = "0" * 64


class Liar(Keyring):
    """Signs whatever it is asked to with the key of one service, in the name of the service that may make it."""

    def __init__(self, own: Keyring) -> None:
        self._honest = own

    def signer(self, makers: Collection[str], what: str) -> str:
        """The name of whoever may make it."""
        return min(makers)

    def sign(self, service: str, statement: bytes) -> Signature:
        """A signature by the own key that says it is the service's."""
        (own,) = self._honest.services
        _, identifier, signed = self._honest.sign(own, statement)
        return service, identifier, signed


class Forge:
    """Makes messages as Celery sends them. They pass through a database of their own at the Redis of ``url``."""

    def __init__(self, url: str) -> None:
        settings = Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=Path())
        self._app = create_celery(settings)
        self._server = redis.Redis.from_url(url)

    def message(self, keyring: Keyring, command: BaseModel, correlation_id: str) -> bytes:
        """The message of a command, signed with these keys."""
        queue = queue_of(command)
        CeleryPublisher(self._app, keyring).publish(command, correlation_id=correlation_id)
        message = self._server.rpop(queue)
        assert isinstance(message, bytes)
        return message

    def close(self) -> None:
        """Close the connections."""
        self._server.close()


def with_signature(message: bytes, signature: str | None) -> bytes:
    """The message with another signature, or without any."""
    changed = json.loads(message)
    del changed["headers"][SIGNATURE_HEADER]
    changed["headers"] |= {} if signature is None else {SIGNATURE_HEADER: signature}
    return json.dumps(changed).encode()


def signature_in(message: bytes) -> str:
    """The signature of a message."""
    return str(json.loads(message)["headers"][SIGNATURE_HEADER])


def commands_about(run: Run) -> list[BaseModel]:
    """Every kind of message that could change a run."""
    number = run.round or 0
    facts: list[Fact] = [
        ModelPrepared(run_id=run.id, model_sha256=DIGEST),
        StepFailed(run_id=run.id, round=number, reason="forged"),
        StepFailed(run_id=run.id, round=number, reason="forged", fresh_cohort_may_help=True),
        StepFailed(run_id=run.id, round=None, reason="forged"),
        EvaluationSkipped(run_id=run.id, round=number),
        RoundReady(run_id=run.id, round=number, because="deadline"),
        RoundReady(run_id=run.id, round=number, because="settled"),
        StepFailing(run_id=run.id, step="control.sweep", round=number, reason="forged"),
        Waiting(run_id=run.id, service="control", reason="forged"),
    ]
    return [
        *(HandleFact(run_id=run.id, fact=fact) for fact in facts),
        *(PrepareModel(run_id=run.id), ReduceRound(run_id=run.id, round=number), Sweep()),
        *(FoldShard(run_id=run.id, round=number, shard=0), EvaluateModel(run_id=run.id, round=number)),
        TrainClients(run_id=run.id, round=max(1, number), clients=("client-000000",)),
    ]


def keys_to_come(run: Run, rounds: int) -> list[str]:
    """Keys at which something will lie, or at which something may be put that looks like it."""
    fixed = [
        *(object_keys.run(run.id), object_keys.run("run-000000000000"), object_keys.model(DIGEST)),
        *(object_keys.class_embeddings(run.id, DIGEST), object_keys.row(run.id, DIGEST, "client-000000")),
        *(object_keys.guidance(run.id, DIGEST), object_keys.server_state(run.id, DIGEST), object_keys.claim(DIGEST, run.id)),
    ]
    for number in range(rounds + 1):
        fixed += [object_keys.manifest(run.id, number), object_keys.report(run.id, number)]
        fixed += [object_keys.aggregation(run.id, number, DIGEST), object_keys.partial(run.id, number, 0, DIGEST)]
        fixed += [object_keys.update(run.id, number, client_id(index)) for index in range(run.plan.split.clients or 0)]
    return fixed
