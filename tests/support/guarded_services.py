"""The four services over real servers, each with the user, the key of S3 and the signing key of its own, in one process.

Nothing is replaced: each service's Celery app and ports are made from its settings, messages lie in the broker's queues, and
are read, checked and carried out as its worker does.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import redis
from pydantic import SecretStr

import fedface_aggregator.tasks
import fedface_client.tasks
import fedface_control.tasks
import fedface_evaluator.tasks
from fedface_control.operate.run import create_run, start_run
from fedface_core.access.permissions import Identity
from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, CONTROL, EVALUATOR
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED, Run
from fedface_core.ports import Ports
from fedface_core.runtime.celery_app import SigningCelery, create_celery
from fedface_core.runtime.received_message import UnreadableMessageError, read_message
from fedface_core.runtime.settings import ControlSettings, DeviceSettings
from fedface_core.signing.keys import Keyring, load_keyring
from fedface_core.signing.make_keys import make_keys, signing_key_file, trusted_keys_file

TAKEN_BY: Final = {
    CONTROL: (Identity.SWEEP, fedface_control.tasks),
    CLIENT: (Identity.CLIENT, fedface_client.tasks),
    AGGREGATOR: (Identity.AGGREGATOR, fedface_aggregator.tasks),
    EVALUATOR: (Identity.EVALUATOR, fedface_evaluator.tasks),
}
"""Queue → the identity of the worker that takes from it, and the module that makes its tasks."""
LONGEST: Final = 300.0
"""Seconds that a run may take."""


class EverySetting(ControlSettings, DeviceSettings):
    """The settings of control and those of the workers that compute."""


class GuardedServices:
    """Services that reach the servers by ``settings_of(identity)``: the settings of Redis and of the artifact store."""

    def __init__(self, settings_of: Callable[[Identity], Mapping[str, Any]], home: Path) -> None:
        make_keys(home)
        self._home = home
        self._settings_of = settings_of
        self._apps: dict[str, SigningCelery] = {}
        self._queues: dict[str, redis.Redis] = {}
        for queue, (identity, module) in TAKEN_BY.items():
            settings = self.settings(identity, queue)
            self._apps[queue] = module.create(settings)[0]
            self._queues[queue] = redis.Redis.from_url(settings.redis_address)
        self.api = self.ports(Identity.CONTROL, CONTROL)
        self.dropped: list[str] = []
        """Why messages were dropped that could not be read."""

    def settings(self, identity: Identity, signs_as: str) -> EverySetting:
        """The settings of a process that connects as ``identity`` and has the signing key of the service ``signs_as``."""
        given: dict[str, Any] = {
            "artifacts": "s3",
            "signing_key_file": signing_key_file(self._home, signs_as),
            "trusted_keys_file": trusted_keys_file(self._home),
            "photograph_roots": (Path("/"),),
            "repeat_after_seconds": 1,
            **self._settings_of(identity),
        }
        return EverySetting.model_validate({"redis_url": SecretStr("redis://:own@127.0.0.1:1/0")} | given)

    def keyring(self, service: str) -> Keyring:
        """The keys of a service."""
        return load_keyring(signing_key_file(self._home, service), trusted_keys_file(self._home))

    def ports(self, identity: Identity, signs_as: str) -> Ports:
        """The ports of such a process."""
        settings = self.settings(identity, signs_as)
        return connect(settings, create_celery(settings))

    def run(self, plan: Plan, at_each_step: Callable[[Run], None]) -> Run:
        """Carry out a run. Before each message is taken, ``at_each_step`` gets the run as it is."""
        run = create_run(self.api, plan)
        start_run(self.api, run.id, "start")
        deadline = time.monotonic() + LONGEST
        while run.phase not in ENDED:
            assert time.monotonic() < deadline, f"after {LONGEST} s the run is {run.phase}, in round {run.round}"
            at_each_step(run)
            took = [self._take_one(queue) for queue in TAKEN_BY]
            if not any(took):
                self._sweep()
            run = self.api.ledger.load(run.id)
        return run

    def close(self) -> None:
        """Close the connections of the queues."""
        for connection in self._queues.values():
            connection.close()

    def _take_one(self, queue: str) -> bool:
        """Take a message from a queue, as the queue's worker does, and carry it out. False if there was none."""
        if not self._queues[queue].llen(queue):  # to wait for a message takes the server 0.1 s
            return False
        taken = self._queues[queue].brpop([queue], timeout=0.01)
        assert isinstance(taken, list | tuple), "nobody else takes from it"
        try:
            message = read_message(_raw(taken[1]), queue)
        except UnreadableMessageError as error:
            self.dropped.append(str(error))
            return True
        command = json.loads(b64decode(message["body"]))[1]
        self._apps[queue].tasks[message["headers"]["task"]].apply(kwargs=command, headers=message["headers"])
        return True

    def _sweep(self) -> None:
        (entry,) = self._apps[CONTROL].conf.beat_schedule.values()
        self._apps[CONTROL].tasks[entry["task"]].apply(kwargs=entry["kwargs"], headers=entry["options"]["headers"])


def waiting(operator: redis.Redis) -> list[tuple[str, bytes]]:
    """All messages that lie in the queues, each with its queue. ``operator`` may read them."""
    return [(queue, _raw(message)) for queue in TAKEN_BY for message in operator.lrange(queue, 0, -1)]


def _raw(message: object) -> bytes:
    assert isinstance(message, bytes), "these connections decode nothing"
    return message
