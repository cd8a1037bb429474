"""`fedface data …`: the commands `prepare`, `check` and `preview`."""

from __future__ import annotations

import typer

from fedface_lab.data.check import check
from fedface_lab.data.prepare import prepare
from fedface_lab.data.preview import preview

app = typer.Typer(help="Prepare and look at data sets.", no_args_is_help=True)
app.command("prepare")(prepare)
app.command("check")(check)
app.command("preview")(preview)
