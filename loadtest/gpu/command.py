"""`fedface bench gpu`: checks that results are equal where they must be, then prints the times beside their goals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_core.domain.device_kinds import DeviceChoice
from loadtest.peers.environments import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from loadtest.bench.machine import Machine
    from loadtest.gpu.goals import Judgement
    from loadtest.gpu.speeds import Speed


@with_json
def gpu(
    device: Annotated[DeviceChoice, typer.Option(help="cpu shows only that the command works.")] = "auto",
    tiny: Annotated[bool, typer.Option("--tiny", help="Train so little that a CPU takes seconds.")] = False,
    repetitions: Annotated[int, typer.Option(min=1, max=100, help="How often each time is measured, in turns.")] = 3,
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="When all measuring ends. What is missing then is said.")
    ] = 270,
    environments: Annotated[
        Path,
        typer.Option(
            help="Where `fedface bench peers` has made the environment of pfl-research.",
            show_default=".peers in the checkout",
        ),
    ] = ROOT / ".peers",
) -> None:
    """Train on this machine's GPU, and compare with a bare loop in plain PyTorch on that GPU. It needs no network.

    A local stack is started too, and pfl-research if it is installed. It ends with status 1 if results differ that must be
    equal, and within five minutes unless --seconds says otherwise. Whether a goal is met is told of a GPU at full size.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_core.domain.device_kinds import CUDA
    from fedface_core.domain.errors import FedFaceError
    from fedface_learning.device import chosen_device, device_name
    from fedface_learning.seeding import use_deterministic_torch
    from loadtest.bench.machine import this_machine
    from loadtest.bench.report import Column, print_report, show_table
    from loadtest.gpu.equality import check_all
    from loadtest.gpu.goals import judge
    from loadtest.gpu.report import GpuReport
    from loadtest.gpu.speeds import measure_all
    from loadtest.gpu.systems import measure_systems
    from loadtest.gpu.time_budget import TimeBudget
    from loadtest.gpu.workloads import Size

    budget = TimeBudget(seconds)
    use_deterministic_torch(1)
    kind = chosen_device(device)
    size = Size.tiny() if tiny else Size.full()
    machine = this_machine()
    console = talk_console()
    with console.status("checking that results are equal"):
        checks = check_all(size, kind)
    columns = [
        Column(head="", cells=tuple(check.what for check in checks)),
        Column(head="", cells=tuple("yes" if check.holds else "NO" for check in checks)),
        Column(head="found", cells=tuple(check.found for check in checks)),
    ]
    show_table(console, f"equal results on {device_name(kind)}", columns, machine)
    with console.status("measuring"):
        speeds = measure_all(size, kind, repetitions, budget)
    _show(console, speeds, f"{device_name(kind)}; median [smallest, largest]", machine)
    with console.status("measuring rounds through queue and store, and of pfl-research"):
        of_systems = measure_systems(size, kind, repetitions, environments, budget)
    _show(console, of_systems, "processes of their own; median [smallest, largest]", machine)
    has_goals = kind == CUDA and not tiny
    goals = judge([*speeds, *of_systems] if has_goals else [])
    if not has_goals:
        budget.left_out.append("the goals, which are for an H100-class GPU at full size")
    _show_goals(console, goals, machine)
    for reason in budget.left_out:
        console.print(f"not measured: {reason}", soft_wrap=True)
    report = GpuReport(
        machine=machine,
        device=device_name(kind),
        checks=tuple(checks),
        speeds=(*speeds, *of_systems),
        goals=tuple(goals),
        left_out=tuple(budget.left_out),
    )
    print_report(report)
    broken = [check.what for check in checks if not check.holds]
    if broken:
        raise FedFaceError(f"results differ that must be equal: {'; '.join(broken)}")


def _show(console: Console, speeds: Sequence[Speed], title: str, machine: Machine) -> None:
    from loadtest.bench.report import Column, show_table

    if not speeds:
        return
    columns = [
        Column(head="", cells=tuple(speed.what for speed in speeds)),
        Column(head="seconds", cells=tuple(str(speed.seconds) for speed in speeds)),
        Column(head="beside", cells=tuple(speed.beside for speed in speeds)),
        Column(head="its seconds", cells=tuple(str(speed.beside_seconds) for speed in speeds)),
        Column(head="times as fast", cells=tuple(str(speed.ratio) for speed in speeds)),
        Column(head="peak memory", cells=tuple(_gigabytes(speed.peak_bytes) for speed in speeds)),
    ]
    show_table(console, title, columns, machine)


def _show_goals(console: Console, goals: Sequence[Judgement], machine: Machine) -> None:
    from loadtest.bench.report import Column, show_table

    columns = [
        Column(head="", cells=tuple(each.goal.what for each in goals)),
        Column(head="times as fast", cells=tuple("–" if each.found is None else str(each.found) for each in goals)),
        Column(head="goal", cells=tuple(f"{each.goal.times_as_fast:g}" for each in goals)),
        Column(head="", cells=tuple(each.outcome for each in goals)),
    ]
    show_table(console, "goals", columns, machine)


def _gigabytes(count: int | None) -> str:
    return "–" if count is None else f"{count / 1e9:.1f} GB"
