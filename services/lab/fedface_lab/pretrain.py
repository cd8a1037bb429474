"""`fedface pretrain`: train a network on public identities, all in one place, for runs to start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_lab.evaluation.commands import BY_THE_PLAN, Dataset, DatasetOption, FolderOption, data_options, refuse_given

if TYPE_CHECKING:
    from rich.console import Console

    from fedface_core.domain.plan import Plan
    from fedface_learning.pretraining import PretrainPlan


class Schedule(StrEnum):
    """How the learning rate moves."""

    ONE_CYCLE = "one-cycle"
    STEP = "step"


_NO_PLAN = (
    "without a plan, a later run on the same data set may test the people that this network learns from; give that run's "
    "plan to leave them out"
)


def pretrain(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The weights to write, safetensors.")],
    plan_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PLAN]", help="Take model, data and public identities from this plan instead of from options."
        ),
    ] = None,
    architecture: Annotated[str, typer.Option(help="The network, in its published shape.")] = "spherenet-20",
    dataset: DatasetOption = Dataset.SYNTHETIC,
    folder: FolderOption = None,
    identities: Annotated[int, typer.Option(min=2, help="How many public identities.")] = 200,
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings", help="Take the settings of training from this TOML file; options given beside it prevail."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, show_default="30")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, show_default="64")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The schedule's peak.", show_default="0.1")] = None,
    schedule: Annotated[Schedule | None, typer.Option(show_default="one-cycle")] = None,
    scale: Annotated[
        float | None, typer.Option(help="CosFace: the logits are this times the cosines.", show_default="30")
    ] = None,
    margin: Annotated[float | None, typer.Option(help="CosFace: taken off the true cosine.", show_default="0.35")] = None,
    seed: Annotated[int | None, typer.Option(min=0, show_default="0")] = None,
) -> None:
    """Pre-train a network with CosFace on the public identities.

    Stopped, it goes on from its checkpoint when the same command is given again.
    """
    from rich.console import Console

    from fedface_cli.plan_files import make_part, read_document, read_plan
    from fedface_core.domain.plan import Plan
    from fedface_learning.pretraining import PretrainPlan

    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "scale": scale,
        "margin": margin,
        "seed": seed,
    }
    settings = read_document(settings_file) if settings_file else {}
    complaint = (
        f"{settings_file} or the options beside it are wrong" if settings_file else "these options do not go together"
    )
    how = make_part(
        PretrainPlan, settings | {name: value for name, value in options.items() if value is not None}, complaint
    )
    console = Console(stderr=True)
    if plan_file is not None:
        refuse_given(context, BY_THE_PLAN, "a command with a plan")
        plan = read_plan(plan_file)
    else:
        console.print(_NO_PLAN, highlight=False, soft_wrap=True)
        fields = {
            "model": {"architecture": architecture, "weights": "random", "centring": False},
            "data": data_options(dataset, folder, seed=how.seed),
            "split": {"public": identities, "clients": 1, "test": 2, "seed": how.seed},
        }
        plan = make_part(Plan, fields)
    typer.echo(f"{pretrain_to_file(plan, how, output, console)}  {output}")


def pretrain_to_file(plan: Plan, how: PretrainPlan, output: Path, console: Console) -> str:
    """Pre-train the plan's model on its public identities, write the weights, and return their SHA-256.

    A checkpoint stands beside ``output`` until it is written.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fedface_core.domain.errors import InvalidInputError
    from fedface_lab.evaluation.commands import network_to_start_from
    from fedface_learning.data import open_photographs, split_identities
    from fedface_learning.formats.codec import sha256_hex
    from fedface_learning.models.weights import encode_network
    from fedface_learning.pretraining import PretrainProgress
    from fedface_learning.pretraining import pretrain as train

    network = network_to_start_from(plan.model, plan.seed, None)
    dataset = open_photographs(plan)
    public = split_identities(dataset.identities, plan.split).public
    if output.is_dir():
        raise InvalidInputError(f"{output} is a folder: give --output the name of a file")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"cannot write {error.filename}: {error.strerror}") from None
    checkpoint = output.with_name(output.name + ".checkpoint")
    columns = (
        TextColumn("[bold]pre-training[/]"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}", style="cyan"),
        TimeRemainingColumn(),
    )
    console.print(f"{plan.model.architecture} on {len(public)} public identities of {dataset.name}", highlight=False)
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=None, figures="reading the images")

        def show(now: PretrainProgress) -> None:
            figures = f"loss {now.loss:.3f}  accuracy {100 * now.accuracy:.0f} %  {now.images_per_second:.0f} images/s"
            progress.update(bar, completed=now.step, total=now.steps, figures=figures)

        train(network, dataset, public, how, checkpoint=checkpoint, on_progress=show)
    data = encode_network(network)
    part = output.with_name(output.name + ".part")
    part.write_bytes(data)
    part.replace(output)
    checkpoint.unlink()
    return sha256_hex(data)
