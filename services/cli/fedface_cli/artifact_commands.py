"""`fedface artifacts …`: removing artifacts that nothing names."""

from __future__ import annotations

from typing import Annotated

import typer

from fedface_cli.arguments import YesOption
from fedface_cli.command_group import Subgroup
from fedface_cli.command_options import open_api, with_api
from fedface_cli.terminal import answer, confirmed, json_wanted, note

app = typer.Typer(cls=Subgroup, help="Remove artifacts that nothing names.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `collect` a subcommand although it is the only one."""


@app.command()
@with_api
def collect(
    older_than_hours: Annotated[
        float,
        typer.Option("--older-than", min=1.0, max=87_600.0, metavar="HOURS", help="Keep younger artifacts."),
    ] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
    yes: YesOption = False,
) -> None:
    """Remove artifacts that no manifest, no run and no upload names: killed processes have left them."""
    from rich.progress import BarColumn, Progress, TimeElapsedColumn

    from fedface_cli.plain_console import PlainConsole, text_column
    from fedface_cli.wording import counted

    question = f"Remove the artifacts that nothing names and that are older than {older_than_hours:g} hours, for good?"
    if not dry_run and not confirmed(question, what="removing artifacts", yes=yes):
        note("no artifact was removed; --dry-run lists them")
        return
    what = "that nothing names" if dry_run else "removed"
    keys: list[str] = []
    console = PlainConsole(stderr=True)
    # How many artifacts the store has is known at the end only, so the bar moves without an end. Standard output may be a
    # file: it is left alone, and has the keys once the bar has gone.
    columns = (BarColumn(bar_width=20), text_column("{task.fields[figures]}"), TimeElapsedColumn())
    bars = Progress(
        *columns, console=console, transient=True, redirect_stdout=False, disable=json_wanted() or not console.is_terminal
    )
    with open_api() as api, bars as progress:
        bar = progress.add_task("", total=None, figures="")
        looked_at = 0
        complete = False
        try:
            for page in api.garbage(older_than_hours, remove=not dry_run):
                keys += page.keys
                looked_at += page.looked_at
                progress.update(bar, figures=f"{looked_at} looked at, {len(keys)} {what}")
            complete = True
        finally:  # an error must not hide what has been removed before it
            progress.stop()
            answer({"keys": keys, "removed": not dry_run, "looked_at": looked_at, "complete": complete}, *keys)
    note(f"{counted(len(keys), 'artifact')} {what}")
