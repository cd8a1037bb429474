"""`fedface evaluate`: score a model file on photographs, in this process."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedface_core.domain.plan import ModelPlan
    from fedface_core.learning.models import EmbeddingNetwork


class Dataset(StrEnum):
    """The data sets that a plan may name."""

    ORL = "orl"
    SYNTHETIC = "synthetic"
    FOLDER = "folder"
    RECORDIO = "recordio"


DatasetOption = Annotated[Dataset, typer.Option(help="Which photographs.")]
FolderOption = Annotated[
    Path | None,
    typer.Option(help="For --dataset folder: the tree identity/image.{jpg,png,pgm}; for recordio: where train.rec is."),
]


def evaluate(
    plan_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PLAN]", help="Take model, data and test identities from this plan instead of from options."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The weights, safetensors.", show_default="those that the plan starts from")
    ] = None,
    architecture: Annotated[str, typer.Option(help="The network, in its published shape.")] = "dlib-resnet",
    dataset: DatasetOption = Dataset.ORL,
    folder: FolderOption = None,
    identities: Annotated[int, typer.Option(min=2, help="People to render, for --dataset synthetic.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Score a model by 1:1 verification: TAR at fixed FAR, AUC, EER.

    With a plan, on its test identities; else on all pairs of all images of the data set.
    """
    import json

    from rich.console import Console

    from fedface_cli import results
    from fedface_cli.plan_files import make_part, read_plan
    from fedface_core.domain.plan import DataPlan, ModelPlan, Plan
    from fedface_core.learning import verification
    from fedface_core.learning.data import ImageSize, open_dataset, split_identities

    if plan_file is not None:
        plan = read_plan(plan_file)
        network = network_to_start_from(plan.model, plan.seed, model)
        opened = open_dataset(plan.data, ImageSize.of(plan.model), plan.split.identities)
        tested = split_identities(opened.identities, plan.split).test
        far = plan.far
    else:
        shape = make_part(ModelPlan, {"architecture": architecture})
        data = make_part(DataPlan, data_options(dataset, folder))
        network = network_to_start_from(shape, 0, model)
        opened = open_dataset(data, ImageSize.of(shape), identities)
        tested = opened.identities
        far = Plan().far
    with Console(stderr=True).status(f"scoring {len(tested)} identities of {opened.name}"):
        scores = verification.evaluate(network, opened, tested, far).scores
    if as_json:
        typer.echo(json.dumps(results.figures(scores), indent=2))
        return
    Console().print(results.scores_table(scores), highlight=False)
    pairs = f"{scores.genuine_pairs:,} genuine and {scores.impostor_pairs:,} impostor pairs"
    typer.echo(f"\n  {len(tested)} identities of {opened.name}: {pairs}")


def data_options(dataset: Dataset, folder: Path | None, **fields: Any) -> Mapping[str, Any]:
    """A plan's `data` as the options give it."""
    return {"dataset": dataset.value, "folder": str(folder) if folder else None, **fields}


def network_to_start_from(shape: ModelPlan, seed: int, model: Path | None) -> EmbeddingNetwork:
    """The network with the weights in the file ``model``, or with those that the plan starts from where there is none."""
    from fedface_core.domain.errors import InvalidInputError
    from fedface_core.learning.models import initial_network
    from fedface_core.learning.weights import load_network

    if model is not None:
        try:
            return load_network(shape, model.read_bytes(), str(model))
        except OSError as error:
            raise InvalidInputError(f"cannot read {model}: {error.strerror}") from None
    if shape.weights not in ("random", "published"):
        raise InvalidInputError("the plan starts from a stored model: give its file with --model")
    return initial_network(shape, seed)
