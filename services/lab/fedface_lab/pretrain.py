"""`fedface pretrain`: train a network on public identities in one process; runs start from its weights."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fedface_cli.command_options import DEVICE_HELP, PRECISION_HELP, WorkersOption, with_json
from fedface_core.domain.device_kinds import DeviceChoice, Precision
from fedface_lab.data_options import (
    PLAN_OPTIONS,
    DatasetOption,
    FolderOption,
    LabelsOption,
    SkipDamagedOption,
    data_fields,
    refuse_options,
    skipped_notes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from fedface_core.domain.plan import Plan
    from fedface_learning.models import EmbeddingNetwork
    from fedface_learning.pretraining import PretrainPlan, PretrainProgress
    from fedface_learning.ranks import Ranks

    ShowReading = Callable[[int, int], None]
    ShowTraining = Callable[[PretrainProgress], None]


_NO_PLAN = (
    "without a plan, a later run on the same data set may test the people that this network learns from; give that run's "
    "plan to leave them out"
)


@with_json
def pretrain(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The weights to write, safetensors.")],
    plan_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="PLAN", help="Take model, data and public identities from this plan instead of from options."
        ),
    ] = None,
    architecture: Annotated[str, typer.Option(help="The network, in its published shape.")] = "spherenet-20",
    dataset: DatasetOption = "synthetic",
    folder: FolderOption = None,
    labels: LabelsOption = None,
    skip_damaged: SkipDamagedOption = None,
    identities: Annotated[int, typer.Option(min=2, help="How many public identities.")] = 200,
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings", help="Take the settings of training from this TOML file; options of the command line override it."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, show_default="30")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, show_default="64")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The schedule's peak.", show_default="0.1")] = None,
    schedule: Annotated[Literal["one-cycle", "step"] | None, typer.Option(show_default="one-cycle")] = None,
    scale: Annotated[
        float | None, typer.Option(help="CosFace: the factor from cosines to logits.", show_default="30")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="CosFace: subtracted from the cosine of the true class.", show_default="0.35")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, show_default="0")] = None,
    device: Annotated[DeviceChoice | None, typer.Option(help=DEVICE_HELP, show_default="cpu")] = None,
    precision: Annotated[Precision | None, typer.Option(help=PRECISION_HELP, show_default="float32")] = None,
    workers: WorkersOption = None,
) -> None:
    """Pre-train a network with CosFace on the public identities.

    If it was stopped, give the same command again: it goes on from its checkpoint. On a machine with several GPUs, start it
    by torchrun: torchrun --nproc-per-node GPUS -m fedface_cli.main pretrain …
    """
    from fedface_cli.plain_console import PlainConsole
    from fedface_cli.plan_files import make_part, read_document, read_plan
    from fedface_cli.terminal import answer
    from fedface_core.domain.plan import Plan
    from fedface_learning.device import chosen_device
    from fedface_learning.pretraining import PretrainPlan
    from fedface_learning.processes import processors
    from fedface_learning.ranks import joined

    with joined() as ranks:
        options = {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "schedule": schedule,
            "scale": scale,
            "margin": margin,
            "seed": seed,
            "device": None if device is None else chosen_device(device),
            "precision": precision,
        }
        document = read_document(settings_file) if settings_file else {}
        complaint = (
            f"{settings_file} or the options of the command line are wrong"
            if settings_file
            else "these options do not go together"
        )
        settings = make_part(
            PretrainPlan, document | {name: value for name, value in options.items() if value is not None}, complaint
        )
        console = PlainConsole(stderr=True, quiet=not ranks.is_first)
        if plan_file is not None:
            refuse_options(context, PLAN_OPTIONS, "a command with a plan")
            plan = read_plan(plan_file)
        else:
            console.print(_NO_PLAN, soft_wrap=True)
            asked = {
                "model": {"architecture": architecture, "weights": "random", "centring": False},
                "data": data_fields(dataset, folder, labels, skip_damaged, seed=settings.seed),
                "split": {"public": identities, "clients": 1, "test": 2, "seed": settings.seed},
            }
            plan = make_part(Plan, asked)
        sha256 = pretrain_to_file(plan, settings, output, console, workers=workers or processors(), ranks=ranks)
        fields = {"sha256": sha256, "file": str(output), "model": plan.model.model_dump(mode="json")}
        if ranks.is_first:
            answer(fields | {"settings": settings.model_dump(mode="json")}, f"{sha256}  {output}")


def pretrain_to_file(
    plan: Plan, settings: PretrainPlan, output: Path, console: Console, *, workers: int = 1, ranks: Ranks | None = None
) -> str:
    """Pre-train the plan's model on its public identities, write the weights as safetensors, and return their SHA-256.

    So many ``workers`` read the photographs. Of several ``ranks`` the first one writes. Until ``output`` is written, a
    checkpoint lies in its folder. Raises `InvalidInputError` if ``output`` cannot be written
    or if the plan starts from a stored model.
    """
    from fedface_core.files.whole_file import write_whole
    from fedface_learning.data import open_photographs, split_identities
    from fedface_learning.formats.codec import sha256_hex
    from fedface_learning.models.weights import encode_network
    from fedface_learning.pretraining import pretrain as train
    from fedface_learning.ranks import ALONE

    ranks = ranks or ALONE
    network = _new_network(plan)
    dataset = open_photographs(plan)
    public = split_identities(dataset.identities, plan.split).public
    checkpoint = _checkpoint_beside(output, ranks)
    console.print(f"{plan.model.architecture} on {len(public)} public identities of {dataset.name}")
    for note in skipped_notes(plan.data):
        console.print(note, soft_wrap=True)
    with _progress_shown(console, len(public)) as (show_reading, show_training):
        train(
            network,
            dataset,
            public,
            settings,
            checkpoint=checkpoint,
            workers=workers,
            ranks=ranks,
            on_reading=show_reading,
            on_progress=show_training,
        )
    data = encode_network(network)
    if ranks.is_first:
        write_whole(output, data)
        checkpoint.unlink()
    return sha256_hex(data)


def _new_network(plan: Plan) -> EmbeddingNetwork:
    """The network that training begins with. `InvalidInputError` if the plan starts from a stored model."""
    from fedface_core.domain.errors import InvalidInputError
    from fedface_learning.models import initial_network

    if plan.model.stored_weights is not None:
        raise InvalidInputError(
            'the plan starts from a stored model, and pre-training from a new network: set model.weights to "random" in a '
            "copy of the plan"
        )
    return initial_network(plan.model, plan.seed)


def _checkpoint_beside(output: Path, ranks: Ranks) -> Path:
    """The file of the checkpoint, whose folder is there then. `InvalidInputError` if ``output`` cannot be written."""
    from fedface_core.domain.errors import InvalidInputError
    from fedface_core.files.whole_file import check_writable, make_folder

    if ranks.is_first:
        check_writable(output)
    if output.exists() and not output.is_file():
        raise InvalidInputError(f"{output} is no file, and a checkpoint could not lie beside it: give the name of a file")
    make_folder(output.parent)
    return output.with_name(output.name + ".checkpoint")


@contextmanager
def _progress_shown(console: Console, people: int) -> Iterator[tuple[ShowReading, ShowTraining]]:
    """A context in which two functions show how far reading the photographs of so many people is, and then training."""
    from rich.progress import Progress

    from fedface_cli.plain_console import counting_columns

    with Progress(*counting_columns("{task.description}", with_figures=True), console=console) as progress:
        reading = progress.add_task("reading photographs", total=people, figures="people")
        training = progress.add_task("pre-training", total=None, visible=False, figures="")

        def show_reading(done: int, total: int) -> None:
            progress.update(reading, completed=done, total=total)

        def show_training(state: PretrainProgress) -> None:
            figures = f"loss {state.loss:.3f}  accuracy {100 * state.accuracy:.0f} %  {state.images_per_second:.0f} images/s"
            progress.update(reading, visible=False)
            progress.update(training, completed=state.step, total=state.steps, figures=figures, visible=True)

        yield show_reading, show_training
