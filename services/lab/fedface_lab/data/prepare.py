"""`fedface data prepare`: align raw photographs to a published template, and report those that could not be aligned."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedface_cli.command_options import WorkersOption, with_json

if TYPE_CHECKING:
    from rich.console import Console

    from fedface_lab.data.prepare_journal import PreparationReport

_LISTED = 10  # photographs of each kind on the screen; the report lists all of them


class TemplateName(StrEnum):
    """The published templates, named by the height and width of their images."""

    ARCFACE = "112x112"
    SPHEREFACE = "112x96"


@with_json
def prepare(
    source: Annotated[
        Path, typer.Argument(help="A tree of raw photographs, such as identity/image.jpg; it is not changed.")
    ],
    target: Annotated[
        Path,
        typer.Argument(
            help="The folder to write the aligned images to, under the same paths; HEIC and the like become .png."
        ),
    ],
    template: Annotated[
        TemplateName, typer.Option(help="Height and width: 112x112 is ArcFace's template, 112x96 SphereFace's.")
    ] = TemplateName.SPHEREFACE,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            help="Take the five points from this CSV file (path, then x,y of left eye, right eye, nose, mouth corners) "
            "instead of finding them with dlib; the suffix may be missing."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Start again, and replace files of the target.")] = False,
    workers: WorkersOption = None,
) -> None:
    """Align photographs by five points: eyes, nose, corners of the mouth.

    If it was stopped, give the same command again: it goes on where it stopped. Of several faces it takes the largest and
    most central one. It writes a report into the target: which photographs have no face or cannot be read.
    """
    from rich.progress import Progress

    from fedface_cli.plain_console import PlainConsole, counting_columns
    from fedface_cli.terminal import json_wanted, print_json
    from fedface_core.domain.errors import InvalidInputError
    from fedface_lab.data.face_points import dlib_face_finder
    from fedface_lab.data.listed_faces import ListedFaces
    from fedface_lab.data.prepare_journal import PreparationSettings
    from fedface_lab.data.prepare_photographs import prepare_photographs
    from fedface_learning.processes import processors

    faces = dlib_face_finder() if landmarks is None else ListedFaces(landmarks)
    points = "dlib" if landmarks is None else os.path.realpath(landmarks)
    settings = PreparationSettings(source=os.path.realpath(source), template=template.value, points=points)
    columns = counting_columns("aligning")
    with Progress(*columns, console=PlainConsole(stderr=True)) as progress:
        bar = progress.add_task("", total=None)
        try:
            report = prepare_photographs(
                source,
                target,
                settings,
                faces,
                overwrite=overwrite,
                workers=workers or processors(),
                on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
            )
        except OSError as error:
            raise InvalidInputError(
                f"cannot write {error.filename or target}: {error.strerror}; "
                "give the command again, and it goes on where it stopped"
            ) from error
    if json_wanted():
        print_json(_figures(report, target))
    else:
        _print_report(report, target, PlainConsole())


def _figures(report: PreparationReport, target: Path) -> dict[str, Any]:
    """The counts of the report. Its file lists every photograph, and there may be millions."""
    from fedface_lab.data.prepare_journal import REPORT

    return {
        "folder": str(target),
        "report": str(target / REPORT),
        "photographs": report.photographs,
        "aligned": report.aligned,
        "of_several_faces": len(report.several_faces),
        "no_face": len(report.no_face),
        "refused": len(report.refused),
        "renamed": len(report.renamed),
        "passed_over": report.passed_over,
        "landmarks": None if report.landmarks is None else report.landmarks.model_dump(mode="json"),
    }


def _print_report(report: PreparationReport, target: Path, console: Console) -> None:
    from rich.table import Table

    from fedface_cli.terminal import say
    from fedface_core.domain.free_text import one_line
    from fedface_lab.data.prepare_journal import REPORT

    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_row("aligned", str(report.aligned))
    table.add_row("  of several faces, the largest and most central taken", str(len(report.several_faces)))
    table.add_row("no face found", str(len(report.no_face)))
    table.add_row("cannot be used", str(len(report.refused)))
    if report.landmarks is not None:
        table.add_row("lines of points without a photograph", str(report.landmarks.lines_without_photograph))
        table.add_row("photographs without a line of points", str(report.landmarks.photographs_without_line))
    table.add_row("passed over: no photographs", str(sum(report.passed_over.values())))
    console.print(table)
    lines = [f"no face found: {path}" for path in report.no_face[:_LISTED]]
    lines += [f"cannot be used: {one.photograph}: {one.reason}" for one in report.refused[:_LISTED]]
    if report.landmarks is not None:
        lines += [f"no such photograph: {name}" for name in report.landmarks.first_lines_without_photograph]
    lines += [f"passed over: {count:,} {kind}" for kind, count in report.passed_over.items()]
    if report.renamed:
        lines.append(f"written as PNG, with another name: {len(report.renamed):,} photographs")
    for line in lines:
        say(f"  {one_line(line)}")
    say(f"\n  {report.aligned} of {report.photographs} photographs are in {target}; the whole report: {target / REPORT}")
