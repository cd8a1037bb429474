"""`fedface model import`: published weights of other projects become a model of FedFace."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fedface_cli.command_options import with_json

if TYPE_CHECKING:
    from fedface_core.domain.plan import ModelPlan

_MOST_NAMED = 5
_DEFAULT_OUTPUT = "FILE.safetensors"


@with_json
def import_weights(
    weights_file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Published weights: a PyTorch file, safetensors, or an ONNX graph.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The model to write, safetensors.", show_default=_DEFAULT_OUTPUT)
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="Refuse weights of another network.", show_default="found by the tensors")
    ] = None,
    channel_order: Annotated[
        Literal["rgb", "bgr"] | None, typer.Option(help="What the network was fed.", show_default="as its authors do")
    ] = None,
    pixel_mean: Annotated[
        float | None,
        typer.Option(min=0, max=255, help="Subtracted from pixels, 0 to 255.", show_default="as its authors do"),
    ] = None,
    pixel_scale: Annotated[
        float | None, typer.Option(min=0.001, max=1000, help="Then divides them.", show_default="as its authors do")
    ] = None,
) -> None:
    """Make a model of published weights of another project.

    Their network is known by the tensors, fed as its authors do, and tried on two faces. Nothing in the file is executed.
    `docs/models.md` lists the networks whose weights are known.
    """
    from fedface_cli.terminal import answer
    from fedface_core.domain.errors import InvalidInputError
    from fedface_core.files.whole_file import check_writable, write_whole
    from fedface_lab.model.find_layout import Wanted, in_words
    from fedface_lab.model.imported_model import make_model
    from fedface_learning.formats.codec import sha256_hex
    from fedface_learning.models import layouts

    path = output or Path(f"{weights_file.stem}.safetensors")
    if path.exists() and weights_file.exists() and path.samefile(weights_file):
        raise InvalidInputError(f"{path} is the file to import itself: name another one with --output")
    check_writable(path)
    model = make_model(weights_file, Wanted(architecture, channel_order, pixel_mean, pixel_scale), layouts.LAYOUTS)
    write_whole(path, model.data)
    fit = model.fit
    plan = fit.layout.plan
    place = f", in {fit.tensors.place}" if fit.tensors.place else ""
    prefix = f", without {fit.prefix!r}" if fit.prefix else ""
    colours = "RGB" if plan.channels == 3 else "grey"
    sha256 = sha256_hex(model.data)
    answer(
        {
            "sha256": sha256,
            "file": str(path),
            "layout": fit.layout.name,
            "kind": model.kind,
            "place": fit.tensors.place,
            "prefix": fit.prefix,
            "tensors": len(fit.used),
            "left_out": fit.left_out,
            "input": asdict(model.convention),
            "plan": {"model": plan.model_dump(mode="json") | {"weights": sha256}},
        },
        f"found         {fit.layout.name}{place}{prefix}: {model.kind}",
        f"architecture  {plan.architecture}, {plan.height}×{plan.width} {colours}, {plan.embedding_size} numbers a face",
        f"tensors       {len(fit.used):,} used, {_left_out(fit.left_out)}",
        f"its input     {in_words(model.convention)}: kept in the first convolution, so the model is fed as all of ours are",
        "checked       two rendered faces: their features are finite, and differ",
        f"{sha256}  {path}",
        f"\nScore it:         fedface evaluate --model {path}\nStart runs of it: fedface model upload {path}\n",
        "\n".join(plan_lines(plan, sha256)),
    )


def plan_lines(plan: ModelPlan, sha256: str) -> list[str]:
    """The lines of a plan whose runs start from this model; sizes that are the architecture's defaults are left out."""
    from fedface_core.domain.plan import ModelPlan

    default = ModelPlan.model_validate({"architecture": plan.architecture})
    sizes = {
        name: getattr(plan, name)
        for name in ("height", "width", "channels", "embedding_size", "widths")
        if getattr(plan, name) != getattr(default, name)
    }
    lines = ["[model]", f'architecture = "{plan.architecture}"', f'weights = "{sha256}"']
    if plan.centring:
        lines.append("centring = true")
    return [*lines, *(f"{name} = {list(value) if isinstance(value, tuple) else value}" for name, value in sizes.items())]


def _left_out(names: list[str]) -> str:
    from fedface_lab.model.find_layout import COUNTER

    others = [name for name in names if not name.endswith(COUNTER)]
    parts = [f"{name:.100}" for name in others[:_MOST_NAMED]]
    if len(others) > _MOST_NAMED:
        parts.append(f"{len(others) - _MOST_NAMED:,} more")
    if len(names) > len(others):
        parts.append(f"{len(names) - len(others):,} counters of batches")
    return f"{len(names):,} left out: {', '.join(parts)}" if parts else "none left out"
