"""`--device` of each command that has it: what it comes to with a GPU and without one, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fedface_core.domain.device_kinds import DeviceChoice, DeviceKind
from fedface_core.domain.errors import FedFaceError, InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_lab.study.grid import expand
from fedface_lab.study.study_file import read_study
from fedface_learning.pretraining import PretrainPlan
from fedface_stack.up import wants_gpu
from support.command_line import Invoke
from support.small_plan_file import SMALL_PLAN
from support.tiny_study import write_study

Machine = Callable[[bool], None]


class SeenError(FedFaceError):
    """Ends a command that has shown on which device it would compute."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Says whether the machine has a GPU. Nothing is computed on it."""

    def says(has_gpu: bool) -> None:
        monkeypatch.setattr("fedface_learning.device.has_gpu", lambda: has_gpu)

    return says


@pytest.fixture
def command(tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    """The command of this name, with what it needs."""
    plan = tmp_path / "plan.toml"
    plan.write_text(SMALL_PLAN)
    commands = {
        "up": ["up", "--workdir", str(tmp_path / "stack")],
        "demo": ["demo", "--workdir", str(tmp_path / "demo")],
        "pretrain": ["pretrain", str(plan), "--output", str(tmp_path / "weights")],
        "evaluate": ["evaluate", str(plan)],
        "study": ["study", "run", str(write_study(tmp_path)), "-o", str(tmp_path / "out")],
    }
    return commands[request.param]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `up`, `demo`, `pretrain` and `evaluate` were about to compute on. They end there."""
    noted: dict[str, Any] = {}

    class Stack:
        api_url = "http://127.0.0.1:1"

        def __init__(self, *_: object, gpu: bool, **__: object) -> None:
            noted["gpu workers"] = gpu

        def stop(self) -> None:
            pass

    def end(name: str, value: object) -> None:
        noted[name] = value
        raise SeenError("seen")

    def create(_api: object, plan: Plan) -> None:
        end("device", plan.compute.device)

    def pretrain_to_file(_plan: object, settings: PretrainPlan, *_: object, **__: object) -> None:
        end("device", settings.device)

    monkeypatch.setattr("fedface_stack.stack.LocalStack", Stack)
    monkeypatch.setattr("fedface_stack.up.start_with_status", lambda *_: noted.get("gpu workers"))
    monkeypatch.setattr("fedface_stack.up.print_addresses", lambda *_: end("started", True))
    monkeypatch.setattr("fedface_stack.signals.exit_on_termination", lambda: None)
    monkeypatch.setattr("fedface_cli.api_client.ControlApi.create", create)
    monkeypatch.setattr("fedface_lab.pretrain.pretrain_to_file", pretrain_to_file)
    monkeypatch.setattr("fedface_learning.device.set_up", lambda kind, _precision: end("device", kind))
    return noted


@pytest.mark.parametrize("command", ["up", "demo", "pretrain", "evaluate", "study"], indirect=True)
def test_a_gpu_that_is_not_there_is_refused_before_anything_begins(
    fedface: Invoke, command: list[str], machine: Machine, tmp_path: Path, seen: dict[str, Any]
) -> None:
    before = {*tmp_path.iterdir()}
    machine(False)
    code, out, err = fedface(*command, "--device", "cuda")
    assert (code, out, seen) == (2, "", {})
    said = " ".join(err.split())
    assert f"the device is 'cuda', and torch {torch.__version__} " in said
    assert "use 'cpu', or install a build of torch with CUDA on a machine with a GPU of NVIDIA" in said
    assert {*tmp_path.iterdir()} == before


def test_an_evaluation_reads_no_model_for_a_gpu_that_is_not_there(fedface: Invoke, machine: Machine) -> None:
    machine(False)
    code, _, err = fedface("evaluate", "--model", "none.safetensors", "--device", "cuda")
    assert (code, "the device is 'cuda'" in err) == (2, True)


@pytest.mark.parametrize(
    ("has_gpu", "choice", "kind"),
    [
        (False, "auto", "cpu"),
        (True, "auto", "cuda"),
        (True, "cuda", "cuda"),
        (True, "cpu", "cpu"),
        (True, None, "cpu"),
    ],
)
@pytest.mark.parametrize("command", ["up", "demo", "pretrain", "evaluate"], indirect=True)
def test_a_command_computes_on_what_there_is(
    fedface: Invoke,
    command: list[str],
    machine: Machine,
    seen: dict[str, Any],
    has_gpu: bool,
    choice: DeviceChoice | None,
    kind: DeviceKind,
) -> None:
    machine(has_gpu)
    code, _, err = fedface(*command, *(("--device", choice) if choice else ()))
    assert (code, "error: seen" in err) == (1, True), err
    expected: dict[str, dict[str, Any]] = {
        "up": {"gpu workers": kind == "cuda", "started": True},
        "demo": {"gpu workers": kind == "cuda", "device": kind},
    }
    assert seen == expected.get(command[0], {"device": kind})


@pytest.mark.parametrize("has_gpu", [False, True])
@pytest.mark.parametrize("command", ["study"], indirect=True)
def test_a_study_on_a_gpu_has_other_jobs(
    fedface: Invoke, command: list[str], machine: Machine, tmp_path: Path, has_gpu: bool
) -> None:
    machine(has_gpu)
    file = Path(command[2])
    jobs = expand(read_study(file), file)

    def digests(*options: str) -> list[str]:
        return [job["digest"] for job in json.loads(fedface(*command, "--dry-run", "--json", *options)[1])["jobs"]]

    assert digests() == digests("--device", "cpu") == [job.digest for job in jobs]
    assert digests("--device", "auto") == [job.on_device("cuda" if has_gpu else "cpu").digest for job in jobs]
    assert (digests("--device", "auto") == digests()) is not has_gpu


def test_a_job_on_a_gpu_trains_and_pre_trains_there_and_is_another_job(tmp_path: Path) -> None:
    file = write_study(tmp_path)
    job = expand(read_study(file), file)[0]
    there = job.on_device("cuda")
    assert job.pretrain is not None
    assert there.pretrain is not None
    assert (there.plan.compute.device, there.pretrain.device) == ("cuda", "cuda")
    assert (job.plan.compute.device, job.pretrain.device) == ("cpu", "cpu")
    assert there.digest != job.digest
    assert there.on_device("cpu") == job == job.on_device("cpu")


def test_a_stack_wants_a_gpu_only_if_there_is_one(machine: Machine) -> None:
    machine(False)
    assert [wants_gpu("cpu"), wants_gpu("auto")] == [False, False]
    with pytest.raises(InvalidInputError, match="the device is 'cuda'"):
        wants_gpu("cuda")
    machine(True)
    assert [wants_gpu("cpu"), wants_gpu("auto"), wants_gpu("cuda")] == [False, True, True]
