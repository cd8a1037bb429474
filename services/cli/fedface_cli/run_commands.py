"""`fedface run …`: the commands that change runs. Those that only show runs are in `run_views`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli import run_views
from fedface_cli.arguments import RunIdArgument, SettingsOption, YesOption, check_run_id
from fedface_cli.command_group import Subgroup
from fedface_cli.command_options import open_api, with_api
from fedface_cli.terminal import answer, confirmed, json_wanted, note, print_json, say

if TYPE_CHECKING:
    from fedface_cli.api_client import ControlApi
    from fedface_core.contracts.http import RunDetail

app = typer.Typer(
    cls=Subgroup, help="Create, start, watch, pause, resume, clone, cancel, delete and restore runs.", no_args_is_help=True
)

StartOption = Annotated[bool, typer.Option("--start", help="Start the run at once.")]
POLL_SECONDS = 0.5


@app.command()
@with_api
def create(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, TOML or JSON; - for standard input.")],
    settings: SettingsOption = None,
    start_now: StartOption = False,
) -> None:
    """Create a run of a plan, and print its id."""
    from fedface_cli.plan_files import read_plan, with_changes

    plan = with_changes(read_plan(plan_file), settings or [])
    with open_api() as api:
        _print_created(api, api.create(plan), start_now)


@app.command()
@with_api
def clone(
    run_id: RunIdArgument,
    settings: SettingsOption = None,
    start_now: StartOption = False,
) -> None:
    """Create a run of another run's plan with changes, and print its id."""
    from fedface_cli.plan_files import read_changes

    changes = read_changes(settings or [])
    with open_api() as api:
        _print_created(api, api.clone(run_id, changes), start_now)


@app.command()
@with_api
def start(run_id: RunIdArgument) -> None:
    """Start a created run."""
    with open_api() as api:
        _print_status(api.start(run_id))


run_views.add_to(app)


@app.command()
@with_api
def pause(
    run_id: RunIdArgument,
    now: Annotated[bool, typer.Option("--now", help="Suspend the round in flight instead of finishing it.")] = False,
) -> None:
    """Pause a run.

    The round in flight is finished first. With --now it is suspended: no further client starts, updates of clients under way
    are still accepted, and the deadline moves by the length of the pause.
    """
    with open_api() as api:
        _print_status(api.pause(run_id, now=now))


@app.command()
@with_api
def resume(run_id: RunIdArgument) -> None:
    """Continue a paused run."""
    with open_api() as api:
        _print_status(api.resume(run_id))


@app.command()
@with_api
def cancel(run_id: RunIdArgument) -> None:
    """Cancel a run that has not ended. Its artifacts stay."""
    with open_api() as api:
        _print_status(api.cancel(run_id))


@app.command()
@with_api
def delete(
    run_id: RunIdArgument,
    yes: YesOption = False,
) -> None:
    """Delete a run that has not started or has ended, and wait until it is gone.

    Its artifacts, its records and the model versions that no other run names are removed. A run whose record cannot be read
    is deleted in any phase.
    """
    from fedface_cli.api_patience import ApiPatience
    from fedface_cli.wording import status_line
    from fedface_core.domain.errors import DamagedObjectError, NotFoundError, UnknownSchemaError

    with open_api() as api:
        try:
            known = api.run(run_id)
            phase: str = known.phase
            described = f"{known.name}, {phase}"
        except (DamagedObjectError, UnknownSchemaError) as error:
            phase = "unreadable"
            described = f"which cannot be read: {error}"
        question = f"Delete {run_id} ({described}) with its artifacts, for good?"
        if not confirmed(question, what=f"deleting {run_id}", yes=yes):
            say(f"{run_id} is {phase}; nothing was deleted")
            return
        try:
            run = api.delete(run_id, confirm=run_id)
            if run is None:
                _print_gone(run_id)
                return
            if not json_wanted():
                say(f"{status_line(run)}; waiting until it is gone")
            patience = ApiPatience(note)
            while True:
                time.sleep(POLL_SECONDS)
                patience.call(api.run, run_id)
        except NotFoundError:
            _print_gone(run_id)


@app.command()
@with_api
def restore(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="The run's id; all lost runs by default.", callback=check_run_id),
    ] = None,
) -> None:
    """Restore runs that the ledger has lost from the artifact store. They continue where they were."""
    from fedface_cli.wording import status_line

    with open_api() as api:
        if run_id is not None:
            _print_status(api.restore(run_id))
            return
        restored = api.restore_all()
    nothing = ["the ledger has every run that the artifact store knows; nothing was restored"]
    lines = [status_line(run) for run in restored.runs] or ([] if restored.refused else nothing)
    answer(restored.model_dump(mode="json"), *lines)
    for refused, reason in restored.refused.items():
        note(f"{refused} is not restored: {reason}")
    if restored.refused:
        raise typer.Exit(1)


def _print_created(api: ControlApi, run: RunDetail, start_now: bool) -> None:
    """Print the id for scripts to standard output, and the run's status for people to standard error."""
    from fedface_cli.wording import counted, status_line
    from fedface_core.domain.plan.cohort import DEFAULT_MINIMUM

    if not json_wanted():
        say(run.id)  # before anything else can fail
    least = run.plan.cohort.minimum_for(run.plan.split.clients)
    if least < DEFAULT_MINIMUM:
        note(
            f"note: a model of this run may be made of {counted(least, 'update')} only (cohort.minimum), "
            "and then tell about single people"
        )
    started = api.start(run.id) if start_now else run
    note(status_line(started))
    if json_wanted():
        print_json(started.model_dump(mode="json"))


def _print_status(run: RunDetail) -> None:
    from fedface_cli.wording import status_line

    answer(run.model_dump(mode="json"), status_line(run))


def _print_gone(run_id: str) -> None:
    answer({"id": run_id, "phase": "deleted"}, f"{run_id} is gone")
