"""`fedface run …`: create, start, watch, show, list and cancel runs by the control API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fedface_core.contracts.http import RunDetail

app = typer.Typer(help="Create, start, watch, show, list and cancel runs.", no_args_is_help=True)

RunIdArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, such as run-0123456789ab.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def create(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, TOML or JSON; - is standard input.")],
    start_now: Annotated[bool, typer.Option("--start", help="Start it at once.")] = False,
) -> None:
    """Create a run of a plan, and print its id."""
    from fedface_cli.api_client import ControlApi
    from fedface_cli.plan_files import read_plan

    plan = read_plan(plan_file)
    with ControlApi() as api:
        run = api.create(plan)
        if start_now:
            api.start(run.id)
    typer.echo(run.id)


@app.command()
def start(run_id: RunIdArgument) -> None:
    """Start a created run."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        run = api.start(run_id)
    typer.echo(f"{run.id} is {run.phase}; see it with: fedface run watch {run.id}")


@app.command()
def watch(run_id: RunIdArgument) -> None:
    """Watch a run until it has ended. Exits 0 where it completed, 1 where it failed, 3 where it was cancelled."""
    from rich.console import Console

    from fedface_cli import watching
    from fedface_cli.api_client import ControlApi
    from fedface_core.domain.run import RunPhase

    with ControlApi() as api:
        run = watching.watch(api, run_id, Console())
    ending = f"{run.id} {run.phase}" + (f": {run.failure}" if run.failure else "")
    typer.echo(ending, err=run.phase is not RunPhase.COMPLETED)
    raise typer.Exit({RunPhase.COMPLETED: 0, RunPhase.CANCELLED: 3}.get(run.phase, 1))


@app.command()
def show(run_id: RunIdArgument, as_json: JsonOption = False) -> None:
    """Show a run: phase, round, accepted updates, newest scores, plan."""
    from rich.console import Console

    from fedface_cli.api_client import ControlApi
    from fedface_cli.watching import RunDisplay

    with ControlApi() as api:
        run = api.run(run_id)
        rounds = api.rounds(run_id).rounds
    if as_json:
        typer.echo(run.model_dump_json(indent=2))
        return
    console = Console()
    console.print(_details(run))
    if any(view.scores for view in rounds):
        display = RunDisplay(run)
        display.rounds = rounds
        console.print()
        console.print(display.scores_table())


@app.command("list")
def list_runs(as_json: JsonOption = False) -> None:
    """List the newest runs, newest first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fedface_cli.api_client import ControlApi
    from fedface_cli.wording import PHASE_STYLES, moment, percent

    with ControlApi() as api:
        listed = api.runs()
    if as_json:
        typer.echo(listed.model_dump_json(indent=2))
        return
    if not listed.runs:
        typer.echo("no runs yet: create one with `fedface run create PLAN.toml`", err=True)
        return
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    for name, width in (("run", 16), ("name", None), ("phase", 9)):
        table.add_column(name, min_width=width, no_wrap=True)  # in a narrow terminal the name gives way, never the id
    for name, width in (("round", 5), ("AUC", 6), ("EER", 7), ("created", 16)):
        table.add_column(name, min_width=width, no_wrap=True, justify="right")
    for run in listed.runs:
        table.add_row(
            run.id,
            run.name,
            Text(run.phase, PHASE_STYLES[run.phase]),
            f"{run.round if run.round is not None else '–'}/{run.rounds}",
            f"{run.scores.auc:.4f}" if run.scores else "–",
            percent(run.scores.eer if run.scores else None),
            moment(run.created_at),
        )
    Console().print(table, highlight=False)


@app.command()
def cancel(run_id: RunIdArgument) -> None:
    """Cancel a run that has not ended. What it stored stays."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        run = api.cancel(run_id)
    typer.echo(f"{run.id} is {run.phase}")


def _details(run: RunDetail) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from fedface_cli.wording import PHASE_STYLES, moment

    grid = Table.grid(padding=(0, 3))
    grid.add_row("run", Text(run.id, "bold"))
    grid.add_row("name", run.name)
    grid.add_row("phase", Text(run.phase, PHASE_STYLES[run.phase]))
    if run.failure:
        grid.add_row("failure", Text(run.failure, "red"))
    if run.round is not None:
        grid.add_row("round", f"{run.round} of {run.rounds}, {run.round_phase}")
        grid.add_row("updates", f"{run.accepted} of {run.invited} accepted, {run.failed} failed")
    grid.add_row("model", f"{run.plan.model.architecture} from {run.plan.model.weights} weights")
    grid.add_row("data", f"{run.plan.data.dataset}, {run.plan.split.clients} clients, {run.plan.split.test} test identities")
    if run.model_sha256:
        grid.add_row("newest model", run.model_sha256)
    for name, at in (("created", run.created_at), ("started", run.started_at), ("ended", run.ended_at)):
        grid.add_row(name, moment(at))
    return grid
