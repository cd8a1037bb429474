"""The options by which commands take photographs, and what they make of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fedface_core.domain.plan import DataPlan

Dataset = Literal["orl", "synthetic", "folder", "recordio"]
"""The data sets that a plan may name. The plan's own type would have the help of each command wait for pydantic."""
DatasetOption = Annotated[Dataset, typer.Option(help="The photographs.")]
FolderOption = Annotated[
    Path | None,
    typer.Option(help="For --dataset folder: the tree identity/image.{jpg,png,webp,…}; for recordio: where train.rec is."),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(help="For --dataset folder: a file of lines `path label`, which says whose each photograph is."),
]

SkipDamagedOption = Annotated[
    Path | None,
    typer.Option(help="For --dataset folder and recordio: leave out the images in this list, from `fedface data check`."),
]

PLAN_OPTIONS = ("architecture", "dataset", "folder", "labels", "skip_damaged", "identities")


def refuse_options(context: typer.Context, unused: Sequence[str], reader: str) -> None:
    """Raise `InvalidInputError` if one of the ``unused`` parameters was given on the command line: it would have no effect.

    ``reader`` names in the error what does not read them.
    """
    from fedface_core.domain.errors import InvalidInputError

    sources = {name: context.get_parameter_source(name) for name in unused}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InvalidInputError(f"{reader} does not read {options}; leave it out")


def data_fields(
    dataset: Dataset, folder: Path | None, labels: Path | None, skip_damaged: Path | None, **fields: int
) -> Mapping[str, str | int | None]:
    """The fields of a plan's `data` from the options of a command."""
    paths = {"folder": folder, "labels": labels, "skip_damaged": skip_damaged}
    return {"dataset": dataset, **{name: str(path) for name, path in paths.items() if path is not None}, **fields}


def skipped_notes(data: DataPlan) -> list[str]:
    """What to say about the damaged images that the data set leaves out; nothing without a list of them."""
    from fedface_learning.data.damaged import damaged_names

    if data.skip_damaged is None:
        return []
    return [f"damaged images left out, as {data.skip_damaged} lists them: {len(damaged_names(data)):,}"]
