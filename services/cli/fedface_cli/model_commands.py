"""`fedface model …`: download a run's newest model, upload one to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedface_cli.arguments import RunIdArgument

app = typer.Typer(help="Download a run's model, upload one to start from.", no_args_is_help=True)


@app.command()
def download(
    run_id: RunIdArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to.", show_default="RUN.safetensors")] = None,
) -> None:
    """Download a run's newest model version, check its SHA-256, and print it."""
    from fedface_cli.api_client import ControlApi

    path = output or Path(f"{run_id}.safetensors")
    with ControlApi() as api:
        sha256 = api.download_model(run_id, path)
    typer.echo(f"{sha256}  {path}")


@app.command()
def upload(model_file: Annotated[Path, typer.Argument(metavar="FILE", help="A safetensors file.")]) -> None:
    """Store a model, and print the SHA-256 to name as `model.weights` in a plan."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        stored = api.upload_model(model_file)
    typer.echo(stored.sha256)
