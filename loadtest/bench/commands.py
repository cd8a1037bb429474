"""`fedface bench …`: how fast the parts are, on the machine at hand."""

from __future__ import annotations

import typer

from loadtest.bench.aggregate import aggregate
from loadtest.bench.control import control
from loadtest.bench.simulate import simulate
from loadtest.bench.start import start
from loadtest.bench.training import training

app = typer.Typer(help="Measure how fast the parts are, each alone, on this machine.", no_args_is_help=True)
app.command("aggregate")(aggregate)
app.command("control")(control)
app.command("simulate")(simulate)
app.command("start")(start)
app.command("training")(training)
