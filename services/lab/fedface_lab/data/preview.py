"""`fedface data preview`: a contact sheet of a data set's images at the size that a network would get."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_lab.data_options import (
    DatasetOption,
    FolderOption,
    LabelsOption,
    SkipDamagedOption,
    data_fields,
    skipped_notes,
)


@with_json
def preview(
    dataset: DatasetOption = "synthetic",
    folder: FolderOption = None,
    labels: LabelsOption = None,
    skip_damaged: SkipDamagedOption = None,
    identities: Annotated[int, typer.Option(min=1, help="Rows.")] = 8,
    images: Annotated[int, typer.Option(min=1, help="Columns.")] = 8,
    height: Annotated[int, typer.Option(min=8, help="Pixels.")] = 112,
    width: Annotated[int, typer.Option(min=8, help="Pixels.")] = 96,
    seed: Annotated[int, typer.Option(min=0, help="Renders other people, for --dataset synthetic.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG to write.")] = Path("contact-sheet.png"),
) -> None:
    """Write a contact sheet: a row for each identity, a column for each of its images. Count what is passed over."""
    from fedface_cli.plan_files import make_part
    from fedface_cli.terminal import answer
    from fedface_core.domain.free_text import one_line
    from fedface_core.domain.plan import DataPlan
    from fedface_core.files.whole_file import whole_file
    from fedface_learning.data import ImageSize, open_dataset
    from fedface_learning.data.contact_sheet import contact_sheet
    from fedface_learning.data.photographs import PhotographDataset

    data = make_part(DataPlan, data_fields(dataset, folder, labels, skip_damaged, images_per_identity=images, seed=seed))
    opened = open_dataset(data, ImageSize(height, width, 3), identities)
    shown = opened.identities[:identities]
    with whole_file(output) as file:
        contact_sheet(opened, shown, images).save(file, format="PNG")
    passed_over = opened.passed_over if isinstance(opened, PhotographDataset) else {}
    notes = skipped_notes(data)
    answer(
        {
            "file": str(output),
            "dataset": opened.name,
            "identities": len(opened.identities),
            "shown": list(shown),
            "passed_over": dict(passed_over),
            "notes": notes,
        },
        f"{output}: {len(shown)} of {len(opened.identities)} identities of {opened.name}",
        *(f"  {note}" for note in notes),
        *(one_line(f"  passed over: {count:,} {kind}") for kind, count in passed_over.items()),
    )
