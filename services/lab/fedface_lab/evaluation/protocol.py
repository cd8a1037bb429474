"""`fedface evaluate --protocol …`: a published protocol, from its files to its figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fedface_lab.evaluation.protocol_views import as_data, remarks, result_table
from fedface_learning.data import ImageSize
from fedface_learning.data.framing import Framing
from fedface_learning.evaluation import EvaluationProtocol, ProtocolName, open_protocol
from fedface_learning.evaluation.faces import EmbeddedFaces, embed_faces
from fedface_learning.models import EmbeddingNetwork


@dataclass(frozen=True)
class Benchmark:
    """A protocol, where its files and images are, and how they are taken."""

    protocol: ProtocolName
    files: Path
    images: Path | None
    aligned: bool
    flip: bool
    skip_missing: bool


def evaluate_protocol(
    network: EmbeddingNetwork, benchmark: Benchmark, resamples: int, notes: Sequence[str], *, as_json: bool
) -> None:
    """Read, embed, score, and print; ``notes`` are of the network."""
    console = Console(stderr=True)
    with console.status(f"reading {benchmark.files}"):
        opened = open_protocol(benchmark.protocol, benchmark.files, benchmark.images, aligned=benchmark.aligned)
    faces = _embed(network, opened, benchmark, console)
    with console.status("scoring"):
        result = opened.score(faces, resamples)
    result = replace(result, notes=[*result.notes, *notes])
    if as_json:
        typer.echo(json.dumps(as_data(result), indent=2))
        return
    Console().print(result_table(result), highlight=False)
    typer.echo("")
    for remark in remarks(result):
        typer.echo(f"  {remark}")


def _embed(network: EmbeddingNetwork, opened: EvaluationProtocol, benchmark: Benchmark, console: Console) -> EmbeddedFaces:
    columns = (TextColumn("[bold]embedding[/]"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(opened.faces))
        return embed_faces(
            network,
            opened.faces,
            Framing(ImageSize.of(network.plan)),
            flip=benchmark.flip,
            skip_missing=benchmark.skip_missing,
            on_progress=lambda done: progress.update(bar, completed=done),
        )
