"""`fedface study …`: run the jobs of a study file, and write tables and plots of their results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedface_cli.command_options import DEVICE_HELP, with_json
from fedface_core.domain.device_kinds import DeviceChoice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from fedface_lab.study.grid import Job
    from fedface_lab.study.job_results import ResultFolder
    from fedface_lab.study.run_study import FinishedWork, PendingWork

app = typer.Typer(help="Simulate many plans in child processes, and compare their results.", no_args_is_help=True)

FolderArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The folder that `study run` wrote: study-output/NAME.")
]


@app.command()
@with_json
def run(
    study_file: Annotated[Path, typer.Argument(metavar="STUDY", help="The study, a TOML file.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The folder of the results, which are also read from it.",
            show_default="study-output/NAME",
        ),
    ] = None,
    processes: Annotated[int, typer.Option("--jobs", "-j", min=1, help="The number of processes, of one thread each.")] = 1,
    device: Annotated[
        DeviceChoice | None, typer.Option(help=DEVICE_HELP, show_default="compute.device of the plans")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the jobs.")] = False,
) -> None:
    """Run the jobs of a study that have no result yet, then write its tables and plots.

    If it was stopped, give the same command again: it goes on where it stopped. Of a changed study it runs only the jobs
    that the change affects. It names each job that fails, with the reason, and runs the other jobs.
    """
    from fedface_cli.plain_console import PlainConsole
    from fedface_cli.terminal import answer
    from fedface_cli.wording import counted
    from fedface_core.domain.errors import FedFaceError
    from fedface_core.domain.free_text import one_line
    from fedface_core.files.whole_file import write_whole
    from fedface_lab.study.grid import expand
    from fedface_lab.study.job_results import ResultFolder
    from fedface_lab.study.run_study import PendingWork
    from fedface_lab.study.study_file import read_study
    from fedface_learning.device import chosen_device
    from fedface_stack.folder_lock import folder_locked
    from fedface_stack.signals import exit_on_termination

    study = read_study(study_file)
    jobs = expand(study, study_file)
    if device is not None:
        kind = chosen_device(device)
        jobs = [job.on_device(kind) for job in jobs]
    folder = ResultFolder(output or Path("study-output") / study.name)
    console = PlainConsole(stderr=True, soft_wrap=True)
    if dry_run:
        pending = PendingWork.of(jobs, folder)
        _print_pending_work(jobs, pending, folder, processes, console)
        to_run = {job.digest for job in pending.jobs}
        states = {job.digest: "missing" if job.digest in to_run else "done" for job in jobs}
        lines = (f"{job.digest}  {states[job.digest]:7}  {one_line(job.title)}" for job in jobs)
        answer({"folder": str(folder.root), "jobs": _job_fields(jobs, states)}, *lines)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # inherited by the child processes: one core each
    exit_on_termination()
    busy = f"another `fedface study run` is at work in {folder.root}: wait for it, or give another --output"
    with folder_locked(folder.lock(), busy):
        pending = PendingWork.of(jobs, folder)
        _print_pending_work(jobs, pending, folder, processes, console)
        write_whole(folder.study(), study_file.read_bytes())
        failed = _run_with_progress(pending, folder, processes, study.metric, console)
        tables: dict[str, Any] | None = None
        plots: list[str] | None = None
        if any(folder.result(job).exists() for job in jobs):
            tables = _report(folder)
            plots = _plot(folder)
    failed_digests = {finished.work.digest for finished in failed}
    states = {job.digest: "failed" if job.digest in failed_digests else "done" for job in jobs}
    answer({"folder": str(folder.root), "jobs": _job_fields(jobs, states), "report": tables, "plots": plots})
    if failed:
        raise FedFaceError(f"{counted(len(failed), 'piece')} of work failed; the others are done, and will not be repeated")


@app.command()
@with_json
def report(folder: FolderArgument) -> None:
    """Write results.csv, summary.csv and summary.md again, from the results in the folder."""
    from fedface_cli.terminal import answer
    from fedface_lab.study.job_results import ResultFolder

    answer(_report(ResultFolder(folder)))


@app.command()
@with_json
def plot(folder: FolderArgument) -> None:
    """Draw all plots again, from the results in the folder."""
    from fedface_cli.terminal import answer
    from fedface_lab.study.job_results import ResultFolder

    answer({"plots": _plot(ResultFolder(folder))})


def _report(folder: ResultFolder) -> dict[str, Any]:
    """Write the tables, and tell a person of them. Returns what ``--json`` prints: the summary and the files."""
    from fedface_cli.terminal import json_wanted, say
    from fedface_lab.study.study_results import load_results
    from fedface_lab.study.tables import summary_lines, write_tables

    results = load_results(folder)
    files = write_tables(results, folder)
    if not json_wanted():
        say(folder.root / "summary.md")
    return {"files": [str(file) for file in files], "summary": summary_lines(results)}


def _plot(folder: ResultFolder) -> list[str]:
    """Draw all plots, and tell a person of them. Returns their files."""
    from fedface_cli.terminal import json_wanted, say
    from fedface_lab.study.plots import draw_all
    from fedface_lab.study.study_results import load_results

    paths = draw_all(load_results(folder), folder)
    if not json_wanted():
        for path in paths:
            say(path)
    return [str(path) for path in paths]


def _job_fields(jobs: Sequence[Job], states: Mapping[str, str]) -> list[dict[str, str]]:
    """The jobs as ``--json`` lists them; ``states`` are those of their digests."""
    return [{"digest": job.digest, "title": job.title, "state": states[job.digest]} for job in jobs]


def _print_pending_work(
    jobs: Sequence[Job], pending: PendingWork, folder: ResultFolder, processes: int, console: Console
) -> None:
    from fedface_cli.wording import counted, duration

    to_run = {job.digest for job in pending.jobs}
    done = [result for job in jobs if job.digest not in to_run and (result := folder.load(job))]
    outdated = sum(folder.result(job).exists() for job in pending.jobs)
    line = f"{counted(len(jobs), 'job')}, {len(done)} done, {len(pending.jobs)} to run"
    if pending.pretrainings:
        line += f" after {counted(len(pending.pretrainings), 'pre-training')}"
    if done and pending.jobs:
        mean = sum(result.seconds for result in done) / len(done)
        line += f"; about {duration(mean * len(pending.jobs) / processes)} if they take as long as those"
    if outdated:
        line += f"; {counted(outdated, 'job')} again, because the data set has changed since"
    console.print(line)


def _run_with_progress(
    pending: PendingWork, folder: ResultFolder, processes: int, metric: str, console: Console
) -> list[FinishedWork]:
    """Run the pending work under a progress bar; returns the pieces of work that failed."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    from fedface_cli.plain_console import text_column
    from fedface_core.domain.free_text import one_line
    from fedface_lab.study.grid import Job
    from fedface_lab.study.run_study import run_pending_work
    from fedface_lab.study.study_results import metric_of, metric_title

    failed = []
    columns = (
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        text_column("left", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(pending))

        def show(finished: FinishedWork) -> None:
            progress.advance(bar)
            title = one_line(finished.work.title)
            if finished.failure:
                failed.append(finished)
                console.print(Text.assemble(("failed", "red"), f"  {title}: {finished.failure}"))
            elif isinstance(finished.work, Job) and (result := folder.load(finished.work)):
                before, after = (metric_of(result.rounds[number], metric) for number in (0, -1))
                change = "–" if before is None or after is None else f"{100 * (after - before):+.2f} pp"
                console.print(f"{title}: {metric_title(metric)} {change}, {result.seconds:.0f} s")
            else:
                console.print(f"{title}: done")

        run_pending_work(pending, folder, processes, show)
    return failed
