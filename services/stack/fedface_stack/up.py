"""`fedface up`: runs the local stack in the foreground."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedface_cli.command_options import with_json
from fedface_core.domain.device_kinds import CPU, CUDA, DeviceChoice

if TYPE_CHECKING:
    from rich.console import Console

    from fedface_stack.stack import LocalStack


class Artifacts(StrEnum):
    """What the local stack keeps its artifacts in."""

    DIRECTORY = "directory"
    S3 = "s3"


@with_json
def up(
    workdir: Annotated[
        Path, typer.Option(help="Folder of state and logs; a stack that is started there again continues its runs.")
    ] = Path("fedface-stack"),
    client_workers: Annotated[
        int | None, typer.Option(min=1, help="Number of client worker processes.", show_default="one a core")
    ] = None,
    api_port: Annotated[int, typer.Option(min=0, max=65535, help="The API's port; 0 takes a free one.")] = 8000,
    console_port: Annotated[int, typer.Option(min=0, max=65535, help="The console's port; 0 takes a free one.")] = 8080,
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.DIRECTORY,
    photographs: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder below which plans may name photographs; may be given again.",
            show_default="those of FEDFACE_PHOTOGRAPH_ROOTS",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    device: Annotated[
        DeviceChoice, typer.Option(help="cuda: also start workers that compute on this machine's GPU; auto: if it has one.")
    ] = "cpu",
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Also start the machine's own Prometheus.")] = False,
) -> None:
    """Start the local stack and keep it running until Ctrl-C.

    Valkey, the API, control, the workers and the console run as child processes on 127.0.0.1, without Docker or root. One
    that ends by itself is started again.
    """
    import time
    from functools import partial

    from fedface_cli.plain_console import talk_console
    from fedface_cli.terminal import json_wanted, print_json, say
    from fedface_core.runtime.open_files import raise_open_file_limit
    from fedface_stack.signals import exit_on_termination
    from fedface_stack.stack import LocalStack
    from fedface_stack.supervision import Supervision

    exit_on_termination()
    raise_open_file_limit()  # for the servers: they inherit it
    console = talk_console()
    stack = LocalStack(
        workdir,
        client_workers=client_workers,
        api_port=api_port,
        console_port=console_port,
        artifacts=artifacts.value,
        with_prometheus=prometheus,
        photographs=photographs or (),
        gpu=wants_gpu(device),
    )
    start_with_status(stack, console)
    try:
        if json_wanted():
            print_json(addresses(stack))
        else:
            print_addresses(stack, console)
        supervision = Supervision(stack, partial(say, err=json_wanted()))
        while True:
            supervision.look()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print()
    finally:
        with console.status("stopping; each worker finishes its present task (Ctrl-C again to kill)"):
            stack.stop()
        console.print("stopped")


def wants_gpu(device: DeviceChoice) -> bool:
    """Whether the stack is to have workers with a GPU. `InvalidInputError` if it is to, and this machine has none."""
    if device == CPU:
        return False  # without torch
    from fedface_learning.device import chosen_device

    return chosen_device(device) == CUDA


def start_with_status(stack: LocalStack, console: Console) -> None:
    """Start the stack; meanwhile a status line names the processes that are not ready yet."""
    with console.status("starting the local stack") as status:
        stack.start(lambda names: status.update(f"starting the local stack: waiting for {', '.join(names)}"))


def addresses(stack: LocalStack) -> dict[str, Any]:
    """Where a started stack is, as ``--json`` prints it."""
    return {
        "console_url": stack.console_url,
        "api_url": stack.api_url,
        "docs_url": f"{stack.api_url}/docs",
        "prometheus_url": stack.prometheus_url,
        "metrics": {name: f"http://{target}/metrics" for name, target in stack.metrics_targets.items()},
        "work_directory": str(stack.workdir),
        "logs": str(stack.logs),
    }


def print_addresses(stack: LocalStack, console: Console) -> None:
    """Print where a started stack is: its addresses, its work directory and its logs."""
    from rich.table import Table
    from rich.text import Text

    console.print(Text.assemble(("● ", "green"), ("the local stack is up", "bold"), "; Ctrl-C stops it\n"))
    grid = Table.grid(padding=(0, 3))
    if stack.console_url:
        grid.add_row("console", Text(stack.console_url, "bold"))
    grid.add_row("API", stack.api_url)
    grid.add_row("docs", f"{stack.api_url}/docs")
    if stack.prometheus_url:
        grid.add_row("prometheus", stack.prometheus_url)
    targets = [Text.assemble(f"http://{target}/metrics  ", (name, "dim")) for name, target in stack.metrics_targets.items()]
    grid.add_row("metrics", Text("\n").join(targets))
    grid.add_row("work directory", str(stack.workdir))
    grid.add_row("logs", f"{stack.logs}/*.log")
    console.print(grid)
    console.print(Text.assemble(("\nin another terminal:", "dim"), f" export FEDFACE_API_URL={stack.api_url}"))
