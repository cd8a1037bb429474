"""`fedface model …`: download the newest model of a run, upload one to start from.

A package that has torch adds `import` and `export` (`command_group`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedface_cli.arguments import RunIdArgument
from fedface_cli.command_group import Subgroup
from fedface_cli.command_options import open_api, with_api
from fedface_cli.terminal import answer, json_wanted, print_json, say

app = typer.Typer(
    cls=Subgroup,
    help="Download the newest model of a run, upload one to start from; import and export weights.",
    no_args_is_help=True,
)


@app.command()
@with_api
def download(
    run_id: RunIdArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write.", show_default="RUN.safetensors")
    ] = None,
) -> None:
    """Download the newest model version of a run, and print its SHA-256, which is checked."""

    path = output or Path(f"{run_id}.safetensors")
    with open_api() as api:
        sha256 = api.download_model(run_id, path)
    is_elsewhere = not path.is_file()  # a pipe may be standard output, and gets the model alone
    if json_wanted():
        print_json({"sha256": sha256, "file": str(path)}, err=is_elsewhere)
    else:
        say(f"{sha256}  {path}", err=is_elsewhere)


@app.command()
@with_api
def upload(model_file: Annotated[Path, typer.Argument(metavar="FILE", help="A safetensors file.")]) -> None:
    """Store a model, and print its SHA-256. A plan starts from the model by naming that in `model.weights`."""
    with open_api() as api:
        stored = api.upload_model(model_file)
    answer(stored.model_dump(mode="json"), stored.sha256)
