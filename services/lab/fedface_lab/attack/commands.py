"""`fedface attack …`: attacks on one's own runs, to see what an aggregator could see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.arguments import RunIdArgument
from fedface_cli.command_options import with_json

if TYPE_CHECKING:
    from fedface_lab.attack.invert import InversionFigures

app = typer.Typer(help="Attack one's own runs, to see what an aggregator could see.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Attack one's own runs, to see what an aggregator could see."""


@app.command()
@with_json
def invert(
    run_id: RunIdArgument,
    number: Annotated[int, typer.Option("--round", min=1, help="A training round of the run that has ended.")],
    client: Annotated[str, typer.Option(help="The client whose update is attacked, such as client-000003.")],
    artifacts: Annotated[
        str, typer.Option(help="The folder of the run's artifact store, or s3 for the one of the settings FEDFACE_S3_….")
    ] = "fedface-stack/artifacts",
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG to write.")] = Path("attack.png"),
    iterations: Annotated[int, typer.Option(min=1, max=100_000, help="Steps of the search.")] = 800,
    restarts: Annotated[int, typer.Option(min=1, max=100, help="Searches, each from other random images.")] = 1,
    total_variation: Annotated[float, typer.Option(min=0, max=100, help="How much smooth images are preferred.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of the random images that the search begins with.")] = 0,
) -> None:
    """Reconstruct the images of a client's step from its stored update, and from the sum of its shard's updates.

    The first is what the aggregator sees today, the second what secure aggregation would leave. It needs a run with one
    local step and whole updates. The picture shows both beside the photographs: keep it as you keep those.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_cli.terminal import answer
    from fedface_cli.wording import counted
    from fedface_core.files.whole_file import whole_file
    from fedface_lab.attack.inversion import Search
    from fedface_lab.attack.invert import InversionReport, invert_update
    from fedface_lab.attack.picture import draw_attack
    from fedface_lab.attack.stored_objects import stored_objects
    from fedface_lab.attack.stored_round import StoredRound
    from fedface_learning.seeding import use_deterministic_torch
    from fedface_stack.signals import exit_on_termination

    exit_on_termination()
    use_deterministic_torch(1)
    stored = StoredRound.read(stored_objects(artifacts), run_id, number)
    search = Search(iterations, restarts, total_variation, seed)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if done % 10 == 0:
            status.update(f"{done} of {2 * iterations * restarts} iterations")

    with talk_console().status("0 iterations") as status:
        inverted = invert_update(stored, client, search, count)
    with whole_file(output) as file:
        draw_attack(inverted).save(file, format="PNG")
    of_update, of_sum = inverted.figures()
    report = InversionReport(
        run_id=run_id,
        round=number,
        client=client,
        images=len(inverted.original_NCHW),
        from_update=of_update,
        from_sum=of_sum,
        clients_in_sum=inverted.clients_in_sum,
        picture=output,
    )
    answer(
        report.model_dump(mode="json"),
        f"{output}: {counted(report.images, 'image')} of {client} in round {number}",
        f"  from its update: {_in_words(of_update)}",
        f"  from the sum of {inverted.clients_in_sum} updates: {_in_words(of_sum)}",
    )


def _in_words(figures: InversionFigures) -> str:
    return f"SSIM {figures.ssim:.2f}, cosine of gradients {figures.gradient_cosine:.3f}"
