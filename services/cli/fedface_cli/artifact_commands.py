"""`fedface artifacts …`: removing artifacts that nothing names."""

from __future__ import annotations

from typing import Annotated

import typer

from fedface_cli.terminal import say

app = typer.Typer(help="Remove artifacts that nothing names.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `collect` a subcommand although it is the only one."""


@app.command()
def collect(
    older_than_hours: Annotated[
        float,
        typer.Option("--older-than", min=1.0, max=87_600.0, metavar="HOURS", help="Keep younger artifacts."),
    ] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
) -> None:
    """Remove artifacts that no manifest, no run and no upload names: killed processes have left them."""
    from fedface_cli.api_client import ControlApi
    from fedface_cli.wording import counted

    with ControlApi() as api:
        garbage = api.garbage(older_than_hours, remove=not dry_run)
    for key in garbage.keys:
        say(key)
    what = "removed" if garbage.removed else "that nothing names"
    say(f"{counted(len(garbage.keys), 'artifact')} {what}", err=True)
