"""`fedface evaluate`: score a model file on photographs, in this process."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fedface_core.domain.plan import ModelPlan
    from fedface_learning.evaluation import ProtocolName
    from fedface_learning.models import EmbeddingNetwork


class Dataset(StrEnum):
    """The data sets that a plan may name."""

    ORL = "orl"
    SYNTHETIC = "synthetic"
    FOLDER = "folder"
    RECORDIO = "recordio"


class ProtocolChoice(StrEnum):
    """What is compared with what, and reported how."""

    PAIRS = "pairs"
    LFW = "lfw"
    LFW_VIEW_1 = "lfw-view-1"
    INSIGHTFACE_BIN = "insightface-bin"
    IJB_A = "ijb-a"
    IJB_B = "ijb-b"
    IJB_C = "ijb-c"


DatasetOption = Annotated[Dataset, typer.Option(help="Which photographs.")]
FolderOption = Annotated[
    Path | None,
    typer.Option(help="For --dataset folder: the tree identity/image.{jpg,png,pgm}; for recordio: where train.rec is."),
]

BY_THE_PLAN = ("architecture", "dataset", "folder", "identities")
_FOR_PAIRS = ("dataset", "folder", "identities")
_FOR_THE_OTHERS = ("files", "images", "flip", "skip_missing")


def evaluate(
    context: typer.Context,
    plan_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PLAN]",
            help="Take the model from this plan instead of from options; for pairs, data and test identities too.",
        ),
    ] = None,
    protocol: Annotated[ProtocolChoice, typer.Option(help="pairs: all pairs of a data set.")] = ProtocolChoice.PAIRS,
    model: Annotated[
        Path | None, typer.Option(help="The weights, safetensors.", show_default="those that the plan starts from")
    ] = None,
    architecture: Annotated[str, typer.Option(help="The network, in its published shape.")] = "dlib-resnet",
    dataset: DatasetOption = Dataset.ORL,
    folder: FolderOption = None,
    identities: Annotated[int, typer.Option(min=2, help="People to render, for --dataset synthetic.")] = 100,
    files: Annotated[
        Path | None, typer.Option(help="What defines the protocol: pairs.txt, a .bin set, the folder of IJB's files.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="The folder of the images that the protocol names.")] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Add the features of each mirrored image.")] = False,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="ijb-a: --images has one aligned face a file, FILE-SIGHTING_ID.jpg.")
    ] = False,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Count missing images as failures to enrol, which match nobody.")
    ] = False,
    bootstrap: Annotated[
        int, typer.Option(min=0, max=100_000, help="Resamples of the people for 95 % intervals; 0 leaves them out.")
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Score a model by a published protocol, or by 1:1 verification of all pairs of a data set.

    `docs/evaluation.md` says which files each protocol expects, and how its figures are defined.
    """
    from fedface_cli.plan_files import make_part, read_plan
    from fedface_core.domain.errors import InvalidInputError
    from fedface_core.domain.plan import DataPlan, ModelPlan
    from fedface_lab.evaluation.centre import centre_on_clients
    from fedface_lab.evaluation.pairs import evaluate_pairs
    from fedface_lab.evaluation.protocol import Benchmark, evaluate_protocol

    _refuse_unused(context, protocol)
    if plan_file is not None:
        refuse_given(context, BY_THE_PLAN, "a command with a plan")
    elif dataset is not Dataset.SYNTHETIC:
        refuse_given(context, ("identities",), f"--dataset {dataset}")
    if protocol is not ProtocolChoice.PAIRS and files is None:
        raise InvalidInputError(f"--protocol {protocol} needs --files: what defines the protocol")
    plan = read_plan(plan_file) if plan_file is not None else None
    shape = plan.model if plan is not None else make_part(ModelPlan, {"architecture": architecture})
    data = plan.data if plan is not None else make_part(DataPlan, data_options(dataset, folder))
    network = network_to_start_from(shape, plan.seed if plan is not None else 0, model)
    notes = centre_on_clients(network, plan)
    if files is None:
        evaluate_pairs(network, data, plan, identities, bootstrap, notes, as_json=as_json)
        return
    name = cast("ProtocolName", protocol.value)
    benchmark = Benchmark(name, files, images, aligned=aligned, flip=flip, skip_missing=skip_missing)
    evaluate_protocol(network, benchmark, bootstrap, notes, as_json=as_json)


def _refuse_unused(context: typer.Context, protocol: ProtocolChoice) -> None:
    unused = list(_FOR_THE_OTHERS if protocol is ProtocolChoice.PAIRS else _FOR_PAIRS)
    if protocol is not ProtocolChoice.IJB_A:
        unused.append("aligned")
    refuse_given(context, unused, f"--protocol {protocol}")


def refuse_given(context: typer.Context, unused: Sequence[str], by: str) -> None:
    """An option that is given but would not be read is a misunderstanding."""
    from fedface_core.domain.errors import InvalidInputError

    sources = {name: context.get_parameter_source(name) for name in unused}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InvalidInputError(f"{by} does not read {options}; leave it out")


def data_options(dataset: Dataset, folder: Path | None, **fields: Any) -> Mapping[str, Any]:
    """A plan's `data` as the options give it."""
    return {"dataset": dataset.value, "folder": str(folder) if folder else None, **fields}


def network_to_start_from(shape: ModelPlan, seed: int, model: Path | None) -> EmbeddingNetwork:
    """The network with the weights in the file ``model``, or with those that the plan starts from where there is none."""
    from fedface_core.domain.errors import InvalidInputError
    from fedface_learning.models import initial_network
    from fedface_learning.models.weights import load_network, network_tensors

    if model is not None:
        try:
            network = load_network(shape, model.read_bytes(), str(model))
        except OSError as error:
            raise InvalidInputError(f"cannot read {model}: {error.strerror}") from None
        broken = [name for name, tensor in network_tensors(network).items() if not tensor.isfinite().all()]
        if broken:
            raise InvalidInputError(f"{model} has values that are no finite numbers, in {broken[0]}: its training diverged")
        return network
    if shape.weights not in ("random", "published"):
        raise InvalidInputError("the plan starts from a stored model: give its file with --model")
    return initial_network(shape, seed)
