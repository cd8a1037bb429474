"""`fedface round …`: close a run's current round early, retry it with a fresh cohort, skip its evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.arguments import RunIdArgument

if TYPE_CHECKING:
    from fedface_cli.api_client import ControlApi
    from fedface_core.contracts.http import RunDetail

app = typer.Typer(help="Close, retry or leave unscored the current round of a run.", no_args_is_help=True)

NumberArgument = Annotated[int | None, typer.Argument(metavar="[NUMBER]", min=0, help="The current round by default.")]


@app.command()
def close(run_id: RunIdArgument, number: NumberArgument = None) -> None:
    """Close the open round now, with the updates accepted so far."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        number = _number(api, run_id, number)
        _print(f"round {number} is closed", api.close_round(run_id, number))


@app.command()
def retry(run_id: RunIdArgument, number: NumberArgument = None) -> None:
    """Abandon the round, and open another with a fresh cohort from the same model version."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        number = _number(api, run_id, number)
        _print(f"round {number} is abandoned", api.retry_round(run_id, number))


@app.command("skip-evaluation")
def skip_evaluation(run_id: RunIdArgument, number: NumberArgument = None) -> None:
    """Do not have the round's model version scored: it finishes as soon as it is aggregated."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        number = _number(api, run_id, number)
        _print(f"round {number} will not be scored", api.skip_evaluation(run_id, number))


def _number(api: ControlApi, run_id: str, asked: int | None) -> int:
    from fedface_core.domain.errors import WrongPhaseError

    current = asked if asked is not None else api.run(run_id).round
    if current is None:
        raise WrongPhaseError(f"{run_id} has no round yet; see how it stands with: fedface run show {run_id}")
    return current


def _print(done: str, run: RunDetail) -> None:
    from fedface_cli.wording import what_next

    typer.echo(f"{done}; {what_next(run)}")
