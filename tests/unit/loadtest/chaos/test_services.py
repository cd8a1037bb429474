"""Killing, freezing and restarting, on processes that only sleep."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psutil
import pytest

from fedface_stack.stack import StackError
from loadtest.chaos import services as module
from loadtest.chaos.services import Services


class SleepingStack:
    """As much of a local stack as `Services` needs."""

    def __init__(self) -> None:
        self.processes = {name: self._launch() for name in ("s3", "client")}
        self.started_through: dict[str, list[str]] = {}

    def _launch(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)

    def is_ready(self, name: str) -> bool:
        process = self.processes[name]
        if process.poll() is not None:
            return False
        soft, _ = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        return soft != 0

    def kill(self, name: str) -> None:
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()

    def begin_restart(self, name: str, through: Sequence[str] = ()) -> None:
        self.started_through[name] = [*through]
        if self.processes[name].poll() is None:
            self.kill(name)
        self.processes[name] = self._launch()

    def ended(self) -> list[str]:
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def wait_until_ready(self, names: list[str]) -> None:
        for name in set(names) & set(self.ended()):
            raise StackError(f"{name} ended")

    def status(self, name: str) -> str:
        return str(psutil.Process(self.processes[name].pid).status())


@pytest.fixture
def stack() -> Iterator[SleepingStack]:
    stack = SleepingStack()
    yield stack
    for name in stack.processes:
        if stack.processes[name].poll() is None:
            stack.kill(name)


@pytest.fixture
def services(stack: SleepingStack, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setattr(module, "LONGEST_ABSENCE", 0.2)
    monkeypatch.setattr(module, "FREEZE_SECONDS", (0.2, 0.3))
    monkeypatch.setattr(module, "CUT_SECONDS", (0.2, 0.3))
    monkeypatch.setattr(module, "FULL_SECONDS", (0.2, 0.3))
    fake: Any = stack
    return Services(fake, random.Random(0))


def ticking(services: Services, is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20.0
    while not is_so() and time.monotonic() < deadline:
        services.tick()
        time.sleep(0.02)
    return is_so()


def test_a_killed_service_starts_again_and_is_not_stable_at_once(services: Services, stack: SleepingStack) -> None:
    assert services.stable == {"s3", "client"}
    services.kill("client")
    assert stack.ended() == ["client"]
    assert services.running == {"s3"}
    assert ticking(services, lambda: "client" in services.running)
    assert stack.ended() == []
    assert services.stable == {"s3"}
    assert len(services.groups) == 3
    assert services.ended == []


def test_a_service_that_is_kept_dead_stays_dead(services: Services, stack: SleepingStack) -> None:
    services.kill("client")
    time.sleep(0.3)
    services.tick(kept_dead="client")
    assert stack.ended() == ["client"]
    services.tick()
    assert stack.ended() == []


def test_a_frozen_service_thaws(services: Services, stack: SleepingStack) -> None:
    services.freeze("s3")
    assert ticking(services, lambda: stack.status("s3") == psutil.STATUS_STOPPED)
    assert services.running == {"s3", "client"}
    assert ticking(services, lambda: stack.status("s3") != psutil.STATUS_STOPPED)


def test_a_frozen_service_can_be_cut_and_killed(services: Services, stack: SleepingStack) -> None:
    services.freeze("s3")
    services.cut("s3")
    assert stack.processes["s3"].wait(20) == -signal.SIGTERM
    assert ticking(services, lambda: "s3" in services.running)
    services.freeze("client")
    services.kill("client")
    assert ticking(services, lambda: "client" in services.running)
    assert services.ended == []


def test_a_full_service_has_space_again(services: Services, stack: SleepingStack) -> None:
    services.freeze("s3")
    services.fill("s3")
    assert services.writes_refused == [True]
    assert not stack.is_ready("s3")
    assert stack.is_ready("client")
    assert ticking(services, lambda: stack.is_ready("s3"))
    assert stack.status("s3") != psutil.STATUS_STOPPED
    services.fill("s3")
    services.kill("s3")
    assert ticking(services, lambda: "s3" in services.running)
    assert stack.is_ready("s3")
    services.fill("s3")
    services.restart_all()
    assert stack.is_ready("s3")


def test_a_service_whose_disk_was_full_is_restarted(services: Services, stack: SleepingStack) -> None:
    full = stack.processes["s3"].pid
    services.fill("s3")
    assert ticking(services, lambda: stack.processes["s3"].pid != full)
    assert ticking(services, lambda: stack.is_ready("s3"))
    assert services.ended == []


def test_a_service_that_ends_by_itself_is_recorded_and_restarted(services: Services, stack: SleepingStack) -> None:
    stack.kill("client")
    services.tick()
    assert services.ended == ["client"]
    assert ticking(services, lambda: stack.ended() == [])
    assert services.ended == ["client"]


def test_all_are_restarted_and_thawed(services: Services, stack: SleepingStack) -> None:
    services.kill("client")
    services.freeze("s3")
    services.restart_all()
    assert services.running == {"s3", "client"}
    assert stack.ended() == []
    assert stack.status("s3") != psutil.STATUS_STOPPED


def test_a_service_that_gives_up_on_its_server_is_started_once_more(services: Services, stack: SleepingStack) -> None:
    stack.kill("client")
    services.restart_all()
    assert services.ended == ["client"]
    assert stack.ended() == []


def test_a_wrong_clock_stays_wrong_by_another_time_at_each_start(services: Services, stack: SleepingStack) -> None:
    services.put_clock_wrong("client")
    assert "client" in services.running
    first = stack.started_through["client"]
    services.kill("client")
    assert ticking(services, lambda: "client" in services.running)
    second = stack.started_through["client"]
    for through in (first, second):
        assert through[0] == "loadtest.chaos.wrong_clock"
        assert 2 * 86_400 <= abs(float(through[1])) <= 7 * 86_400
    assert first != second
    services.kill("s3")
    assert ticking(services, lambda: "s3" in services.running)
    assert stack.started_through["s3"] == [], "its clock is right"
