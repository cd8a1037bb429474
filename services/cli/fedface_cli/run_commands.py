"""`fedface run …`: what an operator asks of a run by the control API. How it is looked at is in `run_views`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli import run_views
from fedface_cli.arguments import RunIdArgument

if TYPE_CHECKING:
    from fedface_cli.api_client import ControlApi
    from fedface_core.contracts.http import RunDetail

app = typer.Typer(help="Create, start, watch, pause, resume, clone, cancel, delete and restore runs.", no_args_is_help=True)

SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change the plan, such as local_training.learning_rate=1e-4; null takes the default. Repeatable.",
    ),
]
StartOption = Annotated[bool, typer.Option("--start", help="Start it at once.")]
POLL_SECONDS = 0.5


@app.command()
def create(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, TOML or JSON; - is standard input.")],
    settings: SettingsOption = None,
    start_now: StartOption = False,
) -> None:
    """Create a run of a plan, and print its id."""
    from fedface_cli.api_client import ControlApi
    from fedface_cli.plan_files import read_plan, with_changes

    plan = with_changes(read_plan(plan_file), settings or [])
    with ControlApi() as api:
        _print_created(api, api.create(plan), start_now)


@app.command()
def clone(
    run_id: RunIdArgument,
    settings: SettingsOption = None,
    start_now: StartOption = False,
) -> None:
    """Create a run of another run's plan with changes, and print its id."""
    from fedface_cli.api_client import ControlApi
    from fedface_cli.plan_files import read_changes

    changes = read_changes(settings or [])
    with ControlApi() as api:
        _print_created(api, api.clone(run_id, changes), start_now)


@app.command()
def start(run_id: RunIdArgument) -> None:
    """Start a created run."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        _print(api.start(run_id))


run_views.add_to(app)


@app.command()
def pause(
    run_id: RunIdArgument,
    now: Annotated[bool, typer.Option("--now", help="Keep the round in flight as it is, instead of finishing it.")] = False,
) -> None:
    """Have a run start nothing new.

    The round in flight is finished first. With --now it is kept open: no further client starts, updates of those under way
    still count, and its deadline stands still.
    """
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        _print(api.pause(run_id, now=now))


@app.command()
def resume(run_id: RunIdArgument) -> None:
    """Have a paused run go on."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        _print(api.resume(run_id))


@app.command()
def cancel(run_id: RunIdArgument) -> None:
    """Cancel a run that has not ended. What it stored stays."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        _print(api.cancel(run_id))


@app.command()
def delete(
    run_id: RunIdArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete an ended run for good, and wait until it is gone.

    With it go its artifacts, the model versions that no other run names, and its records.
    """
    from fedface_cli.api_client import ControlApi
    from fedface_cli.wording import what_next
    from fedface_core.domain.errors import InvalidInputError, NotFoundError

    with ControlApi() as api:
        run = api.run(run_id)
        if not yes and not sys.stdin.isatty():
            raise InvalidInputError(f"deleting {run_id} cannot be undone, and nobody is here to confirm it: add --yes")
        if not yes and not typer.confirm(f"Delete {run_id} ({run.name}, {run.phase}) with its artifacts, for good?"):
            typer.echo(f"{run_id} is {run.phase}; nothing was deleted")
            return
        try:
            run = api.delete(run_id, confirm=run_id)
            typer.echo(f"{what_next(run)}; waiting until it is gone")
            while True:
                time.sleep(POLL_SECONDS)
                api.run(run_id)
        except NotFoundError:
            typer.echo(f"{run_id} is gone")


@app.command()
def restore(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run's id; all lost runs by default.")] = None,
) -> None:
    """Bring back runs whose records the ledger has lost, from the artifact store. They go on where they were."""
    from fedface_cli.api_client import ControlApi
    from fedface_cli.wording import what_next

    with ControlApi() as api:
        if run_id is not None:
            typer.echo(what_next(api.restore(run_id)))
            return
        answer = api.restore_all()
    for run in answer.runs:
        typer.echo(what_next(run))
    for refused, reason in answer.refused.items():
        typer.echo(f"{refused} is not restored: {reason}", err=True)
    if answer.refused:
        raise typer.Exit(1)
    if not answer.runs:
        typer.echo("the ledger has every run that the artifact store knows; nothing was restored")


def _print_created(api: ControlApi, run: RunDetail, start_now: bool) -> None:
    """The id for scripts, what comes next for people."""
    from fedface_cli.wording import what_next

    typer.echo(run.id)
    typer.echo(what_next(api.start(run.id) if start_now else run), err=True)


def _print(run: RunDetail) -> None:
    from fedface_cli.wording import what_next

    typer.echo(what_next(run))
