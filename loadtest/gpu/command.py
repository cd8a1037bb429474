"""`fedface bench gpu`: checks that results are equal where they must be, then prints the times beside their goals."""

from __future__ import annotations

from typing import Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_core.domain.device_kinds import DeviceChoice


@with_json
def gpu(
    device: Annotated[DeviceChoice, typer.Option(help="cpu shows only that the command works.")] = "auto",
    tiny: Annotated[bool, typer.Option("--tiny", help="Train so little that a CPU takes seconds.")] = False,
    repetitions: Annotated[int, typer.Option(min=1, max=100, help="How often each time is measured, in turns.")] = 3,
) -> None:
    """Train on this machine's GPU, and compare with a bare loop in plain PyTorch on that GPU. It needs no network.

    It ends with status 1 if results differ that must be equal. On one H100-class GPU it takes a few minutes.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_core.domain.errors import FedFaceError
    from fedface_learning.device import chosen_device, device_name
    from fedface_learning.seeding import use_deterministic_torch
    from loadtest.bench.machine import this_machine
    from loadtest.bench.report import Column, print_report, show_table
    from loadtest.gpu.equality import check_all
    from loadtest.gpu.report import GpuReport
    from loadtest.gpu.speeds import measure_all
    from loadtest.gpu.workloads import Size

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
        speeds = measure_all(size, kind, repetitions)
    columns = [
        Column(head="", cells=tuple(speed.what for speed in speeds)),
        Column(head="seconds", cells=tuple(str(speed.seconds) for speed in speeds)),
        Column(head="bare loop", cells=tuple(str(speed.bare_seconds) for speed in speeds)),
        Column(head="times as fast", cells=tuple(str(speed.ratio) for speed in speeds)),
        Column(head="goal", cells=tuple(f"{speed.goal:g}" for speed in speeds)),
    ]
    show_table(console, f"{device_name(kind)}; median [smallest, largest]", columns, machine)
    print_report(GpuReport(machine=machine, device=device_name(kind), checks=tuple(checks), speeds=tuple(speeds)))
    broken = [check.what for check in checks if not check.holds]
    if broken:
        raise FedFaceError(f"results differ that must be equal: {'; '.join(broken)}")
