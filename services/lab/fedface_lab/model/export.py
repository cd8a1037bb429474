"""`fedface model export`: a model as an ONNX graph, for programs that know neither torch nor FedFace."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fedface_cli.command_options import open_api, with_api

if TYPE_CHECKING:
    from fedface_core.domain.plan import ModelPlan
    from fedface_lab.evaluation.model_file import ModelFile

_SHA256: Final = re.compile("[0-9a-f]{64}")


@with_api
def export(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A model of FedFace, safetensors; or the SHA-256 of one in the API."),
    ],
    onnx: Annotated[Path, typer.Option("--onnx", help="The ONNX graph to write.")],
    architecture: Annotated[
        str | None,
        typer.Option(help="The network, in its published shape.", show_default="what the model says about itself"),
    ] = None,
    plan_file: Annotated[Path | None, typer.Option("--plan", help="Take the network from this plan instead.")] = None,
) -> None:
    """Write a model as an ONNX graph that takes pixels and gives unit embeddings.

    Its input is `images`: float32, (N, C, H, W), RGB or grey, 0 to 255. Mean, scale and centre are in the graph. Its output
    is `embeddings`: float32, (N, D), of unit length.
    """
    from fedface_cli.terminal import answer
    from fedface_core.domain.errors import InvalidInputError
    from fedface_core.files.whole_file import check_writable, write_whole
    from fedface_lab.evaluation.model_file import network_in, open_model_file
    from fedface_lab.model.onnx_export import encode_onnx
    from fedface_learning.formats.codec import sha256_hex

    if architecture is not None and plan_file is not None:
        raise InvalidInputError("--plan names the network, so --architecture would have no effect; leave it out")
    check_writable(onnx)
    asked = _asked(architecture, plan_file)
    if _SHA256.fullmatch(str(model)) and not model.exists():
        file, of_its_run = _from_api(str(model))
    else:
        file = open_model_file(model)
        of_its_run = None
    plan = asked or of_its_run or file.described_plan
    if plan is None:
        raise InvalidInputError(f"{model} does not say which network it is: give --architecture or --plan")
    network = network_in(file, plan)
    graph = encode_onnx(network, sha256_hex(file.data))
    write_whole(onnx, graph)
    pixels = f"(N, {plan.channels}, {plan.height}, {plan.width}), 0 to 255"
    sha256 = sha256_hex(graph)
    answer(
        {
            "sha256": sha256,
            "file": str(onnx),
            "model_sha256": sha256_hex(file.data),
            "architecture": plan.architecture,
            "images": [None, plan.channels, plan.height, plan.width],
            "embeddings": [None, plan.embedding_size],
        },
        f"{plan.architecture}: images {pixels} → embeddings (N, {plan.embedding_size})",
        f"{sha256}  {onnx}",
    )


def _from_api(sha256: str) -> tuple[ModelFile, ModelPlan | None]:
    """The model version of the API, and the network that the plan of its run has; None if no run has made it."""
    from fedface_lab.evaluation.model_file import open_model_file

    with TemporaryDirectory() as folder, open_api() as api:
        card = api.model_card(sha256)
        path = Path(folder) / f"{sha256}.safetensors"
        api.download_model_version(sha256, path)
        return open_model_file(path), card.plan.model if card.plan is not None else None


def _asked(architecture: str | None, plan_file: Path | None) -> ModelPlan | None:
    from fedface_cli.plan_files import make_part, read_plan
    from fedface_core.domain.plan import ModelPlan

    if plan_file is not None:
        return read_plan(plan_file).model
    return make_part(ModelPlan, {"architecture": architecture}) if architecture is not None else None
