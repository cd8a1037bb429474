"""`fedface run watch|show|list|compare|events`: the commands that show runs and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli import completions
from fedface_cli.arguments import RunIdArgument, check_phase, check_run_id
from fedface_cli.command_options import open_api, with_api
from fedface_cli.exit_status import ExitStatus
from fedface_cli.terminal import json_wanted, note, print_json, say
from fedface_core.domain.free_text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table

    from fedface_core.contracts.http import RoundView, RunDetail, RunList, RunSummary


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``fedface run``."""
    for name, command in _COMMANDS.items():
        app.command(name)(command)


@with_api
def watch(run_id: RunIdArgument) -> None:
    """Watch a run until it has ended, also through its pauses.

    If the control API goes away, the command waits for it, for FEDFACE_PATIENCE_SECONDS (120 by default).

    The exit status is 0 if the run completed, 1 if it failed, 3 if it was cancelled, 4 if it was deleted or there is no such
    run, 5 if the control API stayed away, so that the run may be well.
    """
    from fedface_cli import watching
    from fedface_cli.plain_console import PlainConsole
    from fedface_cli.wording import phase_with_reason
    from fedface_core.domain.run import RunPhase

    console = PlainConsole(quiet=True, force_terminal=False) if json_wanted() else PlainConsole()
    with open_api() as api:
        run = watching.watch(api, run_id, console)
    if run is None or run.phase is RunPhase.DELETING:
        if json_wanted():
            print_json({"id": run_id, "phase": "deleted"})
        else:
            say(f"{run_id} was deleted", err=True)
        raise typer.Exit(ExitStatus.NOT_FOUND)
    if json_wanted():
        print_json(run.model_dump(mode="json"))
    else:
        say(f"{run.id} {phase_with_reason(run)}", err=run.phase is not RunPhase.COMPLETED)
    statuses = {RunPhase.COMPLETED: ExitStatus.DONE, RunPhase.CANCELLED: ExitStatus.CANCELLED}
    raise typer.Exit(statuses.get(run.phase, ExitStatus.FAILED))


@with_api
def show(run_id: RunIdArgument) -> None:
    """Show a run: phase, round, accepted updates, newest scores, plan."""
    from fedface_cli.plain_console import PlainConsole
    from fedface_cli.run_display import RunDisplay

    with open_api() as api:
        run = api.run(run_id)
        rounds = api.rounds(run_id).rounds
    if json_wanted():
        print_json(run.model_dump(mode="json"))
        return
    console = PlainConsole()
    console.print(_details(run, rounds))
    if any(view.scores for view in rounds):
        console.print()
        console.print(RunDisplay(run, rounds).scores_table())


@with_api
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many runs at most.")] = 50,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Only runs older than this one.", callback=check_run_id, autocompletion=completions.run_ids
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(help="Only runs that have it in their name or their id.")] = None,
    phase: Annotated[
        str | None, typer.Option(help="Only runs in this phase.", callback=check_phase, autocompletion=completions.phases)
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Only runs whose owner's name has it.")] = None,
) -> None:
    """List the newest runs, newest first.

    With a filter, the newest 1,000 runs are looked at; --before goes on behind them.
    """
    from fedface_cli.plain_console import listing_console

    with open_api() as api:
        listed = api.runs(limit, before, text=text, phase=phase, owner=owner)
    if json_wanted():
        print_json(listed.model_dump(mode="json"))
        return
    for unreadable, reason in listed.unreadable.items():
        say(f"{unreadable} cannot be read: {one_line(reason)}; it can only be deleted", err=True)
    if listed.runs:
        console = listing_console()
        console.print(_runs_table(listed.runs, console))
        _say_next(listed)
    elif not listed.unreadable:
        _say_why_empty(listed, before, is_filtered=bool(text or phase or owner))


def _say_why_empty(listed: RunList, before: str | None, *, is_filtered: bool) -> None:
    if is_filtered:
        say(f"none of the {listed.looked_at:,} runs that were looked at is one of these", err=True)
        _say_next(listed)
    elif before is not None:
        say(f"{before} is the oldest run", err=True)
    else:
        say("no runs yet: create one with `fedface run create PLAN.toml`", err=True)


def _runs_table(runs: Sequence[RunSummary], console: Console) -> Table:
    """A line for each run. In a narrow terminal the name is cut, and never an id: other columns have the room they need."""
    from rich.table import Table
    from rich.text import Text

    from fedface_cli.wording import PHASE_STYLES, local_minute, percent

    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    widths = {"run": 16, "name": 4, "phase": 9, "rounds": 6, "AUC": 6, "EER": 7, "created": 16}
    spare = max(0, console.width - sum(widths.values()) - len(widths) - 1)
    for column, width in widths.items():
        table.add_column(
            column,
            justify="left" if column in ("run", "name", "phase") else "right",
            min_width=width,
            max_width=width + spare if column == "name" else None,
            no_wrap=True,
        )
    for run in runs:
        table.add_row(
            run.id,
            one_line(run.name),
            Text(run.phase, PHASE_STYLES[run.phase]),
            f"{run.finished_rounds}/{run.rounds}",
            f"{run.scores.auc:.4f}" if run.scores else "–",
            percent(run.scores.eer if run.scores else None),
            local_minute(run.created_at),
        )
    return table


def _say_next(listed: RunList) -> None:
    if listed.next is not None:
        say(f"older runs: --before {listed.next}", err=True)


@with_api
def events(
    run_id: RunIdArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new events too, until the run has ended.")] = False,
    after: Annotated[str, typer.Option(metavar="ID", help="Only events after this one.")] = "",
) -> None:
    """Print a run's audit trail: the id of each event, its time, and what happened.

    With --json, each line is a JSON document: one event.
    """
    from fedface_cli import watching
    from fedface_cli.api_patience import ApiPatience
    from fedface_cli.wording import local_second

    with open_api() as api:
        if follow:
            patience = ApiPatience(note)
            patience.begin(api.run, run_id)  # if there is no such run, the user should know at once
            stream = watching.follow(api, run_id, patience, after=after)
        else:
            stream = api.events(run_id, after, follow=False)
        for event in stream:
            if event.name == "progress":
                continue
            if json_wanted():
                print_json({"id": event.id, "event": event.name, **event.data}, indent=None)
            else:
                say(f"{one_line(event.id)}  {local_second(event.data['at'])}  {watching.event_line(event)}")


@with_api
def compare(
    run_ids: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN…", help="The ids of two runs or more.", autocompletion=completions.run_ids),
    ],
) -> None:
    """Show runs side by side: the fields of their plans that differ, and their newest scores."""
    from fedface_cli.plain_console import listing_console
    from fedface_cli.run_comparison import MOST_RUNS, comparison, comparison_table
    from fedface_core.domain.errors import InvalidInputError

    for run_id in run_ids:
        check_run_id(run_id)
    if not 1 < len(run_ids) <= MOST_RUNS:
        raise InvalidInputError(f"{len(run_ids)} runs are given: name 2 to {MOST_RUNS}, to see them side by side")
    with open_api() as api:
        runs = [api.run(run_id) for run_id in run_ids]
    if json_wanted():
        print_json(comparison(runs))
        return
    console = listing_console()
    console.print(comparison_table(runs, console))


_COMMANDS = {"watch": watch, "show": show, "list": list_runs, "compare": compare, "events": events}


def _late(run: RunDetail) -> str:
    """The count of late updates for the line of counts, if there are any."""
    return f", {run.late} came late" if run.late else ""


def _details(run: RunDetail, rounds: Sequence[RoundView]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from fedface_cli.wording import PHASE_STYLES, counted, failing_line, local_minute, progress

    grid = Table.grid(padding=(0, 3))
    grid.add_row("run", Text(run.id, "bold"))
    grid.add_row("name", one_line(run.name))
    grid.add_row("phase", Text(run.phase, PHASE_STYLES[run.phase]))
    if run.failure:
        grid.add_row("failure", Text(run.failure, "red"))
    if run.unreadable_round:
        grid.add_row("unreadable", Text(f"round {run.round}: {run.unreadable_round}", "red"))
    if run.waits_because:
        grid.add_row("waits because", Text(one_line(run.waits_because), "yellow"))
    for failing in run.failing:
        grid.add_row("failing", Text(failing_line(failing), "yellow"))
    if run.stopped_because:
        grid.add_row("stopped because", run.stopped_because)
    if run.round is not None:
        grid.add_row("round", f"{progress(run)}; it is {run.round_phase}")
        grid.add_row(
            "updates", f"{run.accepted} of {run.quorum} accepted, {run.invited} invited, {run.failed} failed{_late(run)}"
        )
    if trained := [view.aggregation.uploaded_bytes for view in rounds if view.number and view.aggregation]:
        sizes = f"{sum(trained) / 1e6:,.1f} MB in {counted(len(trained), 'training round')}"
        grid.add_row("uploaded", f"{sizes}, {trained[-1] / 1e6:,.1f} MB in the newest, as {run.plan.update_encoding.name}")
    grid.add_row("model", f"{run.plan.model.architecture} from {run.plan.model.weights} weights")
    grid.add_row("data", f"{run.plan.data.dataset}, {run.plan.split.clients} clients, {run.plan.split.test} test identities")
    if run.model_sha256:
        grid.add_row("newest model", run.model_sha256)
    if run.cloned_from:
        grid.add_row("cloned from", run.cloned_from)
    moments = (("created", run.created_at), ("started", run.started_at), ("paused", run.paused_at), ("ended", run.ended_at))
    for name, at in moments:
        if at is not None or name != "paused":
            grid.add_row(name, local_minute(at))
    if run.allowed:
        grid.add_row("allowed", ", ".join(run.allowed))
    return grid
