"""`fedface evaluate --protocol …`: score a network by a published protocol, and print the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from fedface_cli.plain_console import PlainConsole, counting_columns
from fedface_cli.terminal import json_wanted, print_json, say
from fedface_lab.evaluation.protocol_views import remark_lines, result_fields, result_table
from fedface_learning.data import ImageSize
from fedface_learning.data.framing import Framing
from fedface_learning.evaluation import EvaluationProtocol, ProtocolName, open_protocol
from fedface_learning.evaluation.faces import EmbeddedFaces, embed_faces
from fedface_learning.models import EmbeddingNetwork


@dataclass(frozen=True)
class ProtocolOptions:
    """A published protocol, the paths of its files and images, and how faces are taken from the images."""

    protocol: ProtocolName
    files: Path
    images: Path | None
    aligned: bool
    flip: bool
    skip_missing: bool
    weigh_faces: bool
    workers: int
    """How many processes may decode the images; with 1 this process does."""


def evaluate_protocol(network: EmbeddingNetwork, options: ProtocolOptions, resamples: int, notes: Sequence[str]) -> None:
    """Read the protocol's files, embed its faces, score them, and print the figures and ``notes``.

    ``resamples`` is the number of bootstrap resamples for 95 % intervals; 0 leaves the intervals out. Raises
    `InvalidInputError` if files are missing or damaged.
    """
    console = PlainConsole(stderr=True)
    with console.status(f"reading {options.files}"):
        protocol = open_protocol(
            options.protocol,
            options.files,
            options.images,
            aligned=options.aligned,
            skip_missing=options.skip_missing,
            weigh_faces=options.weigh_faces,
        )
    faces = _embed_faces(network, protocol, options, console)
    with console.status("scoring"):
        result = protocol.score(faces, resamples)
    result = replace(result, notes=[*result.notes, *notes])
    if json_wanted():
        print_json(result_fields(result))
        return
    PlainConsole().print(result_table(result))
    say("")
    for remark in remark_lines(result):
        say(f"  {remark}")


def _embed_faces(
    network: EmbeddingNetwork, protocol: EvaluationProtocol, options: ProtocolOptions, console: Console
) -> EmbeddedFaces:
    columns = counting_columns("embedding")
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(protocol.faces))
        return embed_faces(
            network,
            protocol.faces,
            Framing(ImageSize.of(network.plan)),
            flip=options.flip,
            skip_missing=options.skip_missing,
            weigh_by_length=options.weigh_faces,
            workers=options.workers,
            on_progress=lambda done: progress.update(bar, completed=done),
        )
