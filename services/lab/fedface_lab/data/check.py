"""`fedface data check`: decode every image of a data set once, and list those that are damaged."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fedface_cli.command_options import WorkersOption, with_json

_LISTED = 10  # damaged images on the screen; the list has all of them


class FilesDataset(StrEnum):
    """The data sets that consist of a user's files."""

    FOLDER = "folder"
    RECORDIO = "recordio"


@with_json
def check(
    folder: Annotated[
        Path,
        typer.Option(help="The tree identity/image.{jpg,png,pgm}; for recordio: where train.rec is. It is not changed."),
    ],
    dataset: Annotated[FilesDataset, typer.Option(help="The photographs.")] = FilesDataset.FOLDER,
    output: Annotated[Path, typer.Option("--output", "-o", help="The list to write, CSV.")] = Path("damaged.csv"),
    workers: WorkersOption = None,
) -> None:
    """Decode every image once, and list those that cannot be used.

    To leave the listed images out, give the list as `data.skip_damaged` in a plan, or as `--skip-damaged`.
    """
    from rich.progress import Progress

    from fedface_cli.plain_console import PlainConsole, counting_columns
    from fedface_cli.plan_files import make_part
    from fedface_cli.terminal import answer
    from fedface_core.domain.errors import InvalidInputError
    from fedface_core.domain.free_text import one_line
    from fedface_core.domain.plan import DataPlan
    from fedface_core.files.whole_file import check_writable
    from fedface_learning.data.damaged import write_damaged
    from fedface_learning.data.damaged_images import find_damaged
    from fedface_learning.processes import processors

    data = make_part(DataPlan, {"dataset": dataset.value, "folder": str(folder)})
    check_writable(output)
    columns = counting_columns("decoding")
    with Progress(*columns, console=PlainConsole(stderr=True)) as progress:
        bar = progress.add_task("", total=None)
        damaged, images = find_damaged(
            data, lambda done, total: progress.update(bar, completed=done, total=total), workers or processors()
        )
    write_damaged(output, damaged)
    lines = [f"  {one_line(f'{image.name}: {image.reason}')}" for image in damaged[:_LISTED]]
    if len(damaged) > _LISTED:
        lines.append(f"  … and {len(damaged) - _LISTED:,} more")
    if len(damaged) < images:
        lines.append(f"{len(damaged):,} of {images:,} images are damaged; the list: {output}")
    answer({"images": images, "damaged": len(damaged), "list": str(output)}, *lines)
    if len(damaged) == images:
        raise InvalidInputError(f"none of the {images:,} images of {folder} can be used; why: {output}")
