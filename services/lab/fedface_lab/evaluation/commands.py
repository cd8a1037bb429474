"""`fedface evaluate`: score a model file on photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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

ProtocolChoice = Literal["pairs", "lfw", "lfw-view-1", "insightface-bin", "pair-list", "ijb-a", "ijb-b", "ijb-c"]
"""The protocols that `fedface evaluate` knows: all pairs of a data set, and the published ones."""
_PAIRS_OPTIONS = ("dataset", "folder", "labels", "skip_damaged", "identities")
_PROTOCOL_OPTIONS = ("files", "images", "flip", "skip_missing")


@with_json
def evaluate(
    context: typer.Context,
    plan_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="PLAN",
            help="Take the model from this plan instead of from options; for pairs, data and test identities too.",
        ),
    ] = None,
    protocol: Annotated[ProtocolChoice, typer.Option(help="pairs: all pairs of a data set.")] = "pairs",
    model: Annotated[
        Path | None, typer.Option(help="The weights, safetensors.", show_default="those that the plan starts from")
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            help="The network, in its published shape.", show_default="what the model says about itself, or dlib-resnet"
        ),
    ] = None,
    dataset: DatasetOption = "orl",
    folder: FolderOption = None,
    labels: LabelsOption = None,
    skip_damaged: SkipDamagedOption = None,
    identities: Annotated[int, typer.Option(min=2, help="People to render, for --dataset synthetic.")] = 100,
    files: Annotated[
        Path | None,
        typer.Option(
            help="The files that define the protocol: pairs.txt, a .bin set, a list of pairs, the folder of IJB's files."
        ),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="The folder of the images that the protocol names.")] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Add the features of each mirrored image.")] = False,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="ijb-a: each file in --images is one aligned face, FILE-SIGHTING_ID.jpg.")
    ] = False,
    skip_missing: Annotated[
        bool,
        typer.Option(
            "--skip-missing", help="Count missing images and empty templates as failures to enrol, which match nobody."
        ),
    ] = False,
    weigh_faces: Annotated[
        bool,
        typer.Option(
            "--weigh-faces",
            help="ijb-b, ijb-c: weigh each face of a template by the length of its features and the detector's score.",
        ),
    ] = False,
    bootstrap: Annotated[
        int, typer.Option(min=0, max=100_000, help="Resamples of the people for 95 % intervals; 0 leaves them out.")
    ] = 1000,
    device: Annotated[DeviceChoice, typer.Option(help=DEVICE_HELP)] = "cpu",
    precision: Annotated[Precision, typer.Option(help=PRECISION_HELP)] = "float32",
    workers: WorkersOption = None,
) -> None:
    """Score a model by a published protocol, or by 1:1 verification of all pairs of a data set.

    `docs/evaluation.md` says which files each protocol expects, and how its figures are defined.
    """
    from fedface_cli.plan_files import make_part, read_plan
    from fedface_core.domain.errors import InvalidInputError
    from fedface_core.domain.plan import DataPlan, ModelPlan
    from fedface_lab.evaluation.centre_network import centre_network
    from fedface_lab.evaluation.model_file import network_in, open_model_file
    from fedface_lab.evaluation.pairs import evaluate_pairs
    from fedface_lab.evaluation.protocol import ProtocolOptions, evaluate_protocol
    from fedface_learning.device import chosen_device, device_name, set_up
    from fedface_learning.models import initial_network
    from fedface_learning.processes import processors

    _refuse_unused(context, protocol)
    if plan_file is not None:
        refuse_options(context, PLAN_OPTIONS, "a command with a plan")
    elif dataset != "synthetic":
        refuse_options(context, ("identities",), f"--dataset {dataset}")
    if protocol != "pairs" and files is None:
        raise InvalidInputError(f"--protocol {protocol} needs --files: the files that define the protocol")
    kind = chosen_device(device)  # before anything large is read
    plan = read_plan(plan_file) if plan_file is not None else None
    model_file = open_model_file(model) if model is not None else None
    model_plan = plan.model if plan is not None else None
    if model_plan is None and architecture is None and model_file is not None:
        model_plan = model_file.described_plan
    if model_plan is None:
        model_plan = make_part(ModelPlan, {"architecture": architecture or "dlib-resnet"})
    data = plan.data if plan is not None else make_part(DataPlan, data_fields(dataset, folder, labels, skip_damaged))
    if model_file is not None:
        network = network_in(model_file, model_plan)
    elif model_plan.stored_weights is not None:
        raise InvalidInputError("the plan starts from a stored model: give its file with --model")
    else:
        network = initial_network(model_plan, plan.seed if plan is not None else 0)
    notes = centre_network(network, plan)
    network = network.to(set_up(kind, precision))
    network.precision = precision
    if (kind, precision) != ("cpu", "float32"):
        notes = [*notes, f"computed on {device_name(kind)}, in {precision}"]
    if protocol == "pairs" or files is None:
        notes = [*notes, *skipped_notes(data)]
        evaluate_pairs(network, data, plan, identities, bootstrap, workers or processors(), notes)
        return
    options = ProtocolOptions(
        protocol,
        files,
        images,
        aligned=aligned,
        flip=flip,
        skip_missing=skip_missing,
        weigh_faces=weigh_faces,
        workers=workers or processors(),
    )
    evaluate_protocol(network, options, bootstrap, notes)


def _refuse_unused(context: typer.Context, protocol: ProtocolChoice) -> None:
    unused = list(_PROTOCOL_OPTIONS if protocol == "pairs" else _PAIRS_OPTIONS)
    if protocol != "ijb-a":
        unused.append("aligned")
    if protocol not in ("ijb-b", "ijb-c"):
        unused.append("weigh_faces")
    refuse_options(context, unused, f"--protocol {protocol}")
