"""`fedface simulate`: one run of a plan in this process, without services; the model is theirs to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fedface_cli.arguments import SettingsOption
from fedface_cli.command_options import with_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fedface_core.domain.plan import Plan
    from fedface_learning.models import EmbeddingNetwork
    from fedface_learning.simulation.simulate import SimulatedRound, SimulationResult

_SCORED_ROUNDS = 20


@with_json
def simulate(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, TOML or JSON; - for standard input.")],
    settings: SettingsOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The last model to write, safetensors.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The model to start from, safetensors; needed if the plan names one by its SHA-256.")
    ] = None,
    score_every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Score each round whose number this divides, and the first and the last.",
            show_default=f"so that {_SCORED_ROUNDS} or so are scored",
        ),
    ] = None,
    scored: Annotated[Literal["test", "validation"], typer.Option(help="The people to score on.")] = "test",
    fused: Annotated[
        bool, typer.Option("--fused", help="Compute each round as one batch: fast, and rounded otherwise than services do.")
    ] = False,
) -> None:
    """Simulate a run of a plan in one process, and print its scores and the SHA-256 of its model.

    The services give that model too, if they accept the update of each invited client. For many runs see `fedface study`.
    """
    import time

    from fedface_cli.plain_console import PlainConsole, listing_console
    from fedface_cli.plan_files import read_plan, with_changes
    from fedface_cli.terminal import json_wanted, note, print_json, say
    from fedface_core.files.whole_file import check_writable, make_folder, write_whole
    from fedface_learning.seeding import use_deterministic_torch

    plan = with_changes(read_plan(plan_file), settings or [])
    if output is not None:
        check_writable(output)
    use_deterministic_torch(1)  # as services do: the number of threads changes how sums are rounded
    network = _initial(plan, weights)
    start = time.monotonic()
    every = score_every or max(1, plan.rounds // _SCORED_ROUNDS)
    result = _simulated(plan, network, every, scored, PlainConsole(stderr=True), fused=fused)
    if output is not None:
        make_folder(output.parent)
        write_whole(output, result.model)
    if json_wanted():
        figures = {
            "model_sha256": result.model_sha256,
            "model": None if output is None else str(output),
            "rounds": [_figures(done) for done in result.rounds],
            "seconds": round(time.monotonic() - start, 1),
        }
        print_json(figures)
        return
    listing_console().print(_table(plan, result))
    say(f"model {result.model_sha256}" + ("" if output is None else f"  {output}"))
    if fused:
        note("rounds were fused, so services give another model")


def _initial(plan: Plan, weights: Path | None) -> EmbeddingNetwork | None:
    """The network in the file ``weights``, or None if the plan says where the run starts.

    `InvalidInputError` if the plan names a stored model and the file is another one, or none is given.
    """
    from fedface_core.domain.errors import InvalidInputError
    from fedface_lab.evaluation.model_file import network_in, open_model_file
    from fedface_learning.formats.codec import sha256_hex

    stored = plan.model.stored_weights
    if weights is None:
        if stored is None:
            return None
        raise InvalidInputError(f"the plan starts from the stored model {stored}: give its file with --weights")
    model = open_model_file(weights)
    if stored not in (None, sha256_hex(model.data)):
        raise InvalidInputError(f"{weights} is the model {sha256_hex(model.data)}; the plan starts from {stored}")
    return network_in(model, plan.model)


def _simulated(
    plan: Plan,
    network: EmbeddingNetwork | None,
    every: int,
    scored: Literal["test", "validation"],
    console: Console,
    *,
    fused: bool,
) -> SimulationResult:
    """The simulated run, which a bar follows on the console."""
    from rich.progress import Progress

    from fedface_cli.plain_console import counting_columns
    from fedface_learning.simulation.simulate import simulate as simulate_run

    with Progress(*counting_columns("{task.description}", with_figures=True), console=console) as progress:
        rounds = progress.add_task("rounds", total=plan.rounds, figures="")

        def show(done: SimulatedRound) -> None:
            figures = {} if done.verification is None else {"figures": f"EER {100 * done.verification.scores.eer:.2f} %"}
            progress.update(rounds, completed=done.number, **figures)  # type: ignore[arg-type]

        def is_scored(number: int) -> bool:
            return number % every == 0 or number == plan.rounds

        return simulate_run(plan, show, initial=network, evaluate_at=is_scored, scored_part=scored, fused=fused)


def _figures(done: SimulatedRound) -> dict[str, object]:
    """A round as ``--json`` prints it; its scores are null if it was not scored."""
    from fedface_lab.results import figures

    return {
        "number": done.number,
        "loss_before": done.aggregation.loss_before,
        "loss_after": done.aggregation.loss_after,
        "scores": None if done.verification is None else figures(done.verification.scores),
    }


def _table(plan: Plan, result: SimulationResult) -> Table:
    """A line for each scored round."""
    from rich.table import Table

    from fedface_cli.wording import percent
    from fedface_core.domain.results import far_label

    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    for column in ("round", "loss before", "after", *(f"TAR@{far_label(far)}" for far in plan.far), "AUC", "EER"):
        table.add_column(column, justify="right")
    for done in result.rounds:
        if done.verification is None:
            continue
        scores = done.verification.scores
        losses = (done.aggregation.loss_before, done.aggregation.loss_after)
        table.add_row(
            "before" if done.number == 0 else str(done.number),
            *("–" if loss is None else f"{loss:.3g}" for loss in losses),
            *("unresolved" if tar is None else percent(tar) for tar in scores.tar.values()),
            f"{scores.auc:.4f}",
            percent(scores.eer),
        )
    return table
