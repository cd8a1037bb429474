"""`fedface bench …`: load, comparisons and proofs, on the machine at hand. Each command's file is beside what it runs."""

from __future__ import annotations

import typer

from loadtest.bench.aggregate import aggregate
from loadtest.bench.control import control
from loadtest.bench.simulate import simulate
from loadtest.bench.start import start
from loadtest.bench.training import training
from loadtest.chaos.command import chaos
from loadtest.peers.command import peers

app = typer.Typer(
    help="Measure how fast the parts are on this machine, beside peers, and whether a run survives what may befall it.",
    no_args_is_help=True,
)
app.command("aggregate")(aggregate)
app.command("chaos")(chaos)
app.command("control")(control)
app.command("peers")(peers)
app.command("simulate")(simulate)
app.command("start")(start)
app.command("training")(training)
