"""The commands of `fedface bench`, by name. Each command is a function in the package of the code that it runs."""

from __future__ import annotations

import typer

from loadtest.bench.aggregate import aggregate
from loadtest.bench.control import control
from loadtest.bench.masked_rounds import masked_rounds
from loadtest.bench.secure_aggregation import secure_aggregation
from loadtest.bench.signatures import signatures
from loadtest.bench.stack_speed import stack_speed
from loadtest.bench.start import start
from loadtest.bench.storage import storage
from loadtest.bench.training import training
from loadtest.chaos.command import chaos
from loadtest.gpu.command import gpu
from loadtest.peers.command import peers
from loadtest.scale.command import scale, service_times

app = typer.Typer(
    help="Measure how fast each part is on this machine, compare with peers, and show that faults do not change a run.",
    no_args_is_help=True,
)
app.command("aggregate")(aggregate)
app.command("chaos")(chaos)
app.command("control")(control)
app.command("gpu")(gpu)
app.command("masked-rounds")(masked_rounds)
app.command("peers")(peers)
app.command("scale")(scale)
app.command("service-times")(service_times)
app.command("secure-aggregation")(secure_aggregation)
app.command("signatures")(signatures)
app.command("simulate")(stack_speed)
app.command("start")(start)
app.command("storage")(storage)
app.command("training")(training)
