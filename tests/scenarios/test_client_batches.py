"""Whole runs whose tasks name several clients, while worker processes are killed."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.domain.commands import EnrolClients
from fedface_core.domain.failures import PROCESS_ENDED
from fedface_core.domain.ids import client_id
from fedface_core.domain.run import RunPhase
from fedface_learning.simulation.simulate import simulate
from support.client_updates import before_updates
from support.in_process import InProcess
from support.killing import Killed
from support.stride import Stride
from support.tiny_run import tiny_plan

EVERYONE = tuple(client_id(index) for index in range(4))


@pytest.fixture
def one_task_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fedface_control.phases.open.split_into_tasks", lambda _plan, clients: [tuple(clients)] if clients else []
    )


@pytest.mark.usefixtures("one_task_a_round")
def test_a_run_in_one_task_a_round_has_the_simulated_model(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    assert services.publisher.commands == [EnrolClients(run_id=run_id, clients=EVERYONE)]
    assert services.to_end(run_id).model_sha256 == simulate(services.plan).model_sha256


@pytest.mark.usefixtures("one_task_a_round")
def test_a_process_may_die_after_every_effect(faces: Path, stride: Stride) -> None:
    """The killed process's message comes again after every second effect, and is lost after the others.

    `test_one_model` has both for each effect.
    """
    plan = tiny_plan(faces, split={"clients": 3}, rounds=1)
    expected = simulate(plan).model_sha256
    for kill_after in stride.of(itertools.count(1)):
        services = InProcess(plan, kill_after=kill_after, redeliver=kill_after % 2 == 0)
        run = services.run()
        assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, expected)
        assert services.manifest(run.id, 1).failed == {}
        if services.effect_log.kills == 0:
            return


class HeldBack(MemoryArtifacts):
    """A store that delays one client's update, if it is put in the background, until a process has been killed."""

    def __init__(self, client: str) -> None:
        super().__init__()
        self.somebody_died = threading.Event()
        self._held_back = f"rounds/1/updates/{client}.safetensors"

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        if key.endswith(self._held_back) and threading.current_thread() is not threading.main_thread():
            assert self.somebody_died.wait(60)
            raise Killed(key)
        super().put(key, *data, sha256=sha256)


@pytest.mark.usefixtures("one_task_a_round")
@pytest.mark.parametrize("attempts", [1, 2, 3])
@pytest.mark.parametrize("poison", [1, 3])
def test_a_client_that_kills_its_worker_takes_nobody_along(
    faces: Path, monkeypatch: pytest.MonkeyPatch, poison: int, attempts: int
) -> None:
    """The client before it, whose update was being delivered when the process was killed, is not affected."""
    store = HeldBack(EVERYONE[poison - 1])
    died: list[str] = []

    def die(client: str) -> None:
        if client == EVERYONE[poison]:
            died.append(client)
            store.somebody_died.set()
            raise Killed(client)

    before_updates(monkeypatch, die)
    services = InProcess(tiny_plan(faces, cohort={"attempts": attempts}, rounds=1), artifacts=store)
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert services.manifest(run.id, 1).failed == {EVERYONE[poison]: f"gave up after {attempts} attempts: {PROCESS_ENDED}"}
    assert len(died) == attempts
