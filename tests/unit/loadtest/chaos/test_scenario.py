"""The scenario gives each run a stack of its own, and checks the faults that its store can have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fedface_cli.plain_console import PlainConsole
from fedface_stack.stack import LocalStack
from loadtest.chaos.adversary import FaultKind
from loadtest.chaos.checks import Check
from loadtest.chaos.report import ChaosOptions
from loadtest.chaos.scenario import run_scenario
from loadtest.chaos.snapshot import RunSnapshot, read_snapshot
from loadtest.chaos.trial import DisturbedTrial, Trial
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> RunSnapshot:
    services = InProcess(tiny_plan(write_faces(tmp_path_factory.mktemp("faces") / "run"), rounds=1))
    run = services.run()
    return read_snapshot(services.ports.ledger, services.ports.artifacts, run.id)


@pytest.mark.parametrize(
    ("artifacts", "kinds"),
    [("s3", set(FaultKind)), ("directory", set(FaultKind) - {FaultKind.FREEZE, FaultKind.CUT, FaultKind.FILL})],
)
def test_each_run_has_its_own_stack_and_the_faults_are_those_of_the_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, snapshot: RunSnapshot, artifacts: Any, kinds: set[FaultKind]
) -> None:
    stacks: list[LocalStack] = []
    adversary: Any = SimpleNamespace(
        injected=[],
        services=SimpleNamespace(ended=[], writes_refused=[]),
        counts=dict,
        kills_left=lambda: 0,
        last_progress="round 1, open",
    )

    def fault_free(stack: LocalStack, *_: object) -> Trial:
        stacks.append(stack)
        return Trial(snapshot, 1.0)

    def disturbed(stack: LocalStack, *arguments: Any) -> DisturbedTrial:
        stacks.append(stack)
        arguments[-1](adversary)
        return DisturbedTrial(snapshot, 2.0, adversary, [Check("no process is left", True, {})])

    monkeypatch.setattr("loadtest.chaos.scenario.run_fault_free", fault_free)
    monkeypatch.setattr("loadtest.chaos.scenario.run_disturbed", disturbed)
    options = ChaosOptions(preset="synthetic", clients=4, rounds=1, kills=0, seed=0, artifacts=artifacts)
    report = run_scenario(options, 60.0, tmp_path, PlainConsole(quiet=True))
    assert [stack.logs for stack in stacks] == [tmp_path / "peace", tmp_path / "storm"]
    assert len({stack.workdir for stack in stacks}) == 2
    failed = [check for check in report.checks if not check.passed]
    assert [check.name for check in failed] == [
        "every kind of fault happened",
        "the model is that of the simulation in one process",  # the snapshot is that of another plan
    ]
    assert failed[0].figures == dict.fromkeys((kind.value for kind in FaultKind if kind in kinds), 0)
    assert report.checks[-1].name == "no process is left"
