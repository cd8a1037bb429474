"""`fedface demo`: start a local stack, train one run on it, and show the scores before and after."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.command_options import DEVICE_HELP, with_json
from fedface_core.domain.device_kinds import DeviceChoice

if TYPE_CHECKING:
    from rich.console import Console

    from fedface_cli.api_client import ControlApi
    from fedface_core.contracts.http import RunDetail
    from fedface_core.domain.plan import Plan
    from fedface_lab.results import RunComparison
    from fedface_stack.stack import LocalStack


class Preset(StrEnum):
    """The plans that the demo can run."""

    ORL = "orl"
    SYNTHETIC = "synthetic"


@with_json
def demo(
    preset: Annotated[Preset, typer.Option(help="Real photographs with dlib's network, or rendered faces.")] = Preset.ORL,
    rounds: Annotated[int | None, typer.Option(min=1, help="Training rounds.", show_default="the preset's")] = None,
    clients: Annotated[int | None, typer.Option(min=1, help="Client identities.", show_default="the preset's")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all random draws; one seed always gives one model.")] = 0,
    device: Annotated[DeviceChoice, typer.Option(help=DEVICE_HELP)] = "cpu",
    workdir: Annotated[Path, typer.Option(help="For the plot, the model and the logs.")] = Path("demo-output"),
) -> None:
    """Run FedFace end to end on this machine, and show what training changed.

    Starts a local stack, trains with live progress, and ends with the scores before and after, a ROC plot, and the model.
    """
    import tempfile
    import time

    from rich.text import Text

    from fedface_cli.plain_console import talk_console
    from fedface_cli.terminal import json_wanted, print_json
    from fedface_cli.wording import counted
    from fedface_core.domain.plan.merge_patch import apply_merge_patch
    from fedface_core.files.whole_file import make_folder
    from fedface_lab import results
    from fedface_learning.device import chosen_device
    from fedface_stack.signals import exit_on_termination
    from fedface_stack.stack import LocalStack
    from fedface_stack.up import start_with_status

    exit_on_termination()
    start = time.monotonic()
    console = talk_console()
    kind = chosen_device(device)
    plan = _plan(preset, rounds, clients, seed)
    plan = apply_merge_patch(plan, {"compute": {"device": kind}})
    weights = _pretrained(plan, workdir, console) if preset is Preset.SYNTHETIC else None
    make_folder(workdir)
    with tempfile.TemporaryDirectory(prefix="stack-", dir=workdir) as state:  # holds gigabytes: all updates of all rounds
        stack = LocalStack(Path(state), console_port=0, logs=workdir / "logs", gpu=kind == "cuda")
        start_with_status(stack, console)
        try:
            comparison, sha256 = _run_plan(stack, plan, weights, workdir / "model.safetensors", console)
        finally:
            with console.status("stopping the local stack"):
                stack.stop()
    size = f"{counted(plan.rounds, 'round')} with {counted(plan.split.clients, 'client')}"
    results.plot_roc(comparison, workdir / "roc.png")
    seconds = time.monotonic() - start
    console.print()
    console.print(results.comparison_table(comparison))
    console.print(f"\nROC plot      {workdir / 'roc.png'}")
    console.print(f"model         {workdir / 'model.safetensors'}")
    console.print(f"its SHA-256   {sha256}")
    console.print(Text(f"{size}, {seconds:.0f} s in all", "dim"))
    if json_wanted():
        figures = {
            "before": results.figures(comparison.before.scores),
            "after": results.figures(comparison.after.scores),
            "rounds": plan.rounds,
            "model_sha256": sha256,
            "model": str(workdir / "model.safetensors"),
            "roc_plot": str(workdir / "roc.png"),
            "seconds": round(seconds, 1),
        }
        print_json(figures)


def _plan(preset: Preset, rounds: int | None, clients: int | None, seed: int) -> Plan:
    from fedface_lab import presets

    of_preset = {Preset.ORL: presets.orl, Preset.SYNTHETIC: presets.synthetic}[preset]
    return of_preset(clients, rounds, seed)


def _pretrained(plan: Plan, workdir: Path, console: Console) -> Path:
    """The file of a network that is pre-trained on the plan's public people."""
    import torch

    from fedface_lab.pretrain import pretrain_to_file
    from fedface_learning.pretraining import PretrainPlan

    weights = workdir / "pretrained.safetensors"
    torch.set_num_threads(1)  # the weights of a seed must not depend on the number of cores
    pretrain_to_file(plan, PretrainPlan(epochs=20, seed=plan.seed), weights, console)
    return weights


def _run_plan(
    stack: LocalStack, plan: Plan, weights: Path | None, model: Path, console: Console
) -> tuple[RunComparison, str]:
    """Run the plan to its end, download the model to ``model``; the reports and the model's SHA-256.

    It starts from ``weights``; if there are none, from the model of a run that measures the centre of the clients.
    """
    from fedface_cli.api_client import ControlApi
    from fedface_core.domain.plan.merge_patch import apply_merge_patch
    from fedface_lab import presets
    from fedface_lab.results import RunComparison

    with ControlApi(stack.api_url) as api:
        if weights is not None:
            start = api.upload_model(weights).sha256
        else:
            measured = _completed(api, stack, api.create(presets.orl_centre(plan)), console)
            assert measured.model_sha256 is not None, "a completed run has a model"
            start = measured.model_sha256
        created = api.create(apply_merge_patch(plan, {"model": {"weights": start}}))
        console.print(f"watch it in a browser: {stack.console_url}/runs/{created.id}\n", soft_wrap=True)
        run = _completed(api, stack, created, console)
        return RunComparison.of(api, run.id), api.download_model(run.id, model)


def _completed(api: ControlApi, stack: LocalStack, created: RunDetail, console: Console) -> RunDetail:
    """The run after it has been started and watched until its end. `FedFaceError` if it fails or is deleted."""
    from fedface_cli.watching import watch
    from fedface_core.domain.errors import FedFaceError
    from fedface_core.domain.run import RunPhase

    api.start(created.id)
    run = watch(api, created.id, console, check=stack.check)
    if run is None:
        raise FedFaceError(f"the run was deleted while it was watched; the logs are in {stack.logs}")
    if run.phase is not RunPhase.COMPLETED:
        raise FedFaceError(f"{run.id} {run.phase}: {run.failure or 'no reason given'}; the logs are in {stack.logs}")
    return run
