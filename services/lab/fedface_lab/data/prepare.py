"""`fedface data prepare`: align raw photographs to a published template, and say what could not be."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from fedface_lab.data.prepare_journal import Report

_LISTED = 10  # of each kind, on the screen; the report has them all


class TemplateName(StrEnum):
    """The published templates, by the height and width of their images."""

    ARCFACE = "112x112"
    SPHEREFACE = "112x96"


def prepare(
    source: Annotated[Path, typer.Argument(help="A tree of raw photographs, such as identity/image.jpg; left as it is.")],
    target: Annotated[Path, typer.Argument(help="Where the aligned images go, under the same paths.")],
    template: Annotated[
        TemplateName, typer.Option(help="Height and width: 112x112 as ArcFace has it, 112x96 as SphereFace.")
    ] = TemplateName.SPHEREFACE,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            help="Take the five points from this CSV file (path, then x,y of left eye, right eye, nose, mouth corners) "
            "instead of finding them with dlib."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Begin anew, and replace what stands in the target.")] = False,
) -> None:
    """Align photographs by five points: eyes, nose, corners of the mouth.

    Stopped, it goes on where it was when the same command is given again. Of several faces it takes the largest and most
    central. The target gets a report of what was not found or cannot be read.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fedface_core.domain.errors import InvalidInputError
    from fedface_lab.data.face_points import dlib_faces, given_faces
    from fedface_lab.data.prepare_journal import Asked
    from fedface_lab.data.prepare_photographs import prepare as prepare_photographs

    find = dlib_faces() if landmarks is None else given_faces(landmarks)
    points = "dlib" if landmarks is None else str(landmarks.resolve())
    asked = Asked(source=str(source.resolve()), template=template.value, points=points)
    columns = (TextColumn("[bold]aligning[/]"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=None)
        try:
            report = prepare_photographs(
                source,
                target,
                asked,
                find,
                overwrite=overwrite,
                on_progress=lambda done, of: progress.update(bar, completed=done, total=of),
            )
        except OSError as error:
            raise InvalidInputError(
                f"cannot write {error.filename or target}: {error.strerror}; "
                "given again, the command goes on where it stopped"
            ) from error
    _show(report, target, Console())


def _show(report: Report, target: Path, console: Console) -> None:
    from rich.table import Table

    from fedface_lab.data.prepare_journal import REPORT

    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_row("aligned", str(report.aligned))
    table.add_row("  of several faces, the largest and most central taken", str(len(report.several_faces)))
    table.add_row("no face found", str(len(report.no_face)))
    table.add_row("cannot be used", str(len(report.refused)))
    console.print(table, highlight=False)
    lines = [f"no face found: {path}" for path in report.no_face[:_LISTED]]
    lines += [f"cannot be used: {one.photograph}: {one.reason}" for one in report.refused[:_LISTED]]
    for line in lines:
        typer.echo(f"  {line}")
    typer.echo(
        f"\n  {report.aligned} of {report.photographs} photographs are in {target}; the whole report: {target / REPORT}"
    )
