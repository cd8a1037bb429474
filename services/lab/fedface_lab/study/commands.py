"""`fedface study …`: run the plans of a study file, and write what they came to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from fedface_lab.study.grid import Job
    from fedface_lab.study.job_results import ResultFolder
    from fedface_lab.study.run_study import Agenda, Ended

app = typer.Typer(help="Run many plans in this process's children, and compare what they come to.", no_args_is_help=True)

FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="What `study run` wrote: study-output/NAME.")]


@app.command()
def run(
    study_file: Annotated[Path, typer.Argument(metavar="STUDY", help="The study, a TOML file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where results go, and are found again.", show_default="study-output/NAME"),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes, of one thread each.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the jobs.")] = False,
) -> None:
    """Run what is missing of a study, then write its tables and plots.

    Stopped, it goes on where it was when the same command is given again; a changed study reruns only what the change
    touches. Jobs that fail are named with the reason, and do not stop the others.
    """
    from rich.console import Console

    from fedface_cli.wording import counted
    from fedface_core.domain.errors import FedFaceError
    from fedface_lab.study.grid import expand
    from fedface_lab.study.job_results import ResultFolder, write_whole
    from fedface_lab.study.run_study import Agenda
    from fedface_lab.study.study_file import read_study
    from fedface_stack.folder_lock import folder_locked
    from fedface_stack.signals import exit_on_termination

    study = read_study(study_file)
    expanded = expand(study, study_file)
    folder = ResultFolder(output or Path("study-output") / study.name)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if dry_run:
        _say_what_is_to_do(expanded, Agenda.of(expanded, folder), folder, jobs, console)
        for job in expanded:
            typer.echo(f"{job.digest}  {'done   ' if folder.result(job).exists() else 'missing'}  {job.title}")
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # for the children: one core each
    exit_on_termination()
    busy = f"another `fedface study run` is at work in {folder.root}: wait for it, or give another --output"
    with folder_locked(folder.lock(), busy):
        agenda = Agenda.of(expanded, folder)
        _say_what_is_to_do(expanded, agenda, folder, jobs, console)
        write_whole(folder.study(), study_file.read_bytes())
        failed = _run(agenda, folder, jobs, study.metric, console)
        if any(folder.result(job).exists() for job in expanded):
            report(folder.root)
            plot(folder.root)
    if failed:
        raise FedFaceError(f"{counted(len(failed), 'piece')} of work failed; the others are done, and will not be repeated")


@app.command()
def report(folder: FolderArgument) -> None:
    """Write results.csv, summary.csv and summary.md anew from the results that there are."""
    from fedface_lab.study.job_results import ResultFolder
    from fedface_lab.study.outcomes import load_outcomes
    from fedface_lab.study.tables import write_tables

    write_tables(load_outcomes(ResultFolder(folder)), ResultFolder(folder))
    typer.echo(folder / "summary.md")


@app.command()
def plot(folder: FolderArgument) -> None:
    """Draw all plots anew from the results that there are."""
    from fedface_lab.study.job_results import ResultFolder
    from fedface_lab.study.outcomes import load_outcomes
    from fedface_lab.study.plots import draw_all

    for path in draw_all(load_outcomes(ResultFolder(folder)), ResultFolder(folder)):
        typer.echo(path)


def _say_what_is_to_do(
    expanded: Sequence[Job], agenda: Agenda, folder: ResultFolder, processes: int, console: Console
) -> None:
    from fedface_cli.wording import counted, duration

    done = [result for job in expanded if (result := folder.load(job))]
    line = f"{counted(len(expanded), 'job')}, {len(done)} done, {len(agenda.jobs)} to run"
    if agenda.pretrainings:
        line += f" after {counted(len(agenda.pretrainings), 'pre-training')}"
    if done and agenda.jobs:
        mean = sum(result.seconds for result in done) / len(done)
        line += f"; about {duration(mean * len(agenda.jobs) / processes)} if they take as long as those"
    console.print(line)


def _run(agenda: Agenda, folder: ResultFolder, processes: int, metric: str, console: Console) -> list[Ended]:
    """Run it under a progress bar; what failed."""
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from fedface_lab.study.grid import Job
    from fedface_lab.study.outcomes import metric_of, metric_title
    from fedface_lab.study.run_study import run_agenda

    failed = []
    columns = (
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(agenda))

        def show(ended: Ended) -> None:
            progress.advance(bar)
            if ended.failure:
                failed.append(ended)
                console.print(f"[red]failed[/]  {escape(ended.work.title)}: {escape(ended.failure)}")
            elif isinstance(ended.work, Job) and (result := folder.load(ended.work)):
                before, after = (metric_of(result.rounds[number], metric) for number in (0, -1))
                change = "–" if before is None or after is None else f"{100 * (after - before):+.2f} pp"
                console.print(f"{escape(ended.work.title)}: {metric_title(metric)} {change}, {result.seconds:.0f} s")
            else:
                console.print(f"{escape(ended.work.title)}: done")

        run_agenda(agenda, folder, processes, show)
    return failed
