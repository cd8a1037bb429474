"""`fedface dead-letters`: the newest messages between services that a worker has dropped."""

from __future__ import annotations

from typing import Annotated

import typer

from fedface_cli.command_options import open_api, with_api
from fedface_cli.terminal import json_wanted, note, print_json


@with_api
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many letters at most.")] = 50,
) -> None:
    """List the newest messages that a worker has dropped, since it could not read them.

    They came from another version of FedFace, or from somebody who can write to the broker. With --json, each has the
    beginning of the message.
    """
    from rich.table import Table

    from fedface_cli.plain_console import listing_console
    from fedface_cli.wording import local_second
    from fedface_core.domain.free_text import one_line

    with open_api() as api:
        listed = api.dead_letters(limit)
    if json_wanted():
        print_json(listed.model_dump(mode="json"))
        return
    if not listed.letters:
        note("no dead letters: every message could be read")
        return
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    for column in ("dropped", "queue", "fault", "bytes", "reason"):
        table.add_column(column, no_wrap=column != "reason", justify="right" if column == "bytes" else "left")
    for letter in listed.letters:
        words = (letter.queue, letter.fault, f"{letter.bytes:,}", letter.reason)
        table.add_row(local_second(letter.at.isoformat()), *map(one_line, words))
    listing_console().print(table)
