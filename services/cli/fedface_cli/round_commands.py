"""`fedface round …`: close the current round of a run early, retry it with a fresh cohort, skip its evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.arguments import RunIdArgument
from fedface_cli.terminal import say

if TYPE_CHECKING:
    from fedface_cli.api_client import ControlApi
    from fedface_core.contracts.http import RunDetail

app = typer.Typer(help="Close or retry the current round of a run, or skip its evaluation.", no_args_is_help=True)

NumberArgument = Annotated[int | None, typer.Argument(metavar="[NUMBER]", min=0, help="The current round by default.")]


@app.command()
def close(run_id: RunIdArgument, number: NumberArgument = None) -> None:
    """Close the open round now, with the updates accepted so far."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        number = _round_number(api, run_id, number)
        _print_result(f"round {number} is closed", api.close_round(run_id, number))


@app.command()
def retry(run_id: RunIdArgument, number: NumberArgument = None) -> None:
    """Abandon the round, and open another round with a fresh cohort from the same model version."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        number = _round_number(api, run_id, number)
        _print_result(f"round {number} is abandoned", api.retry_round(run_id, number))


@app.command("skip-evaluation")
def skip_evaluation(run_id: RunIdArgument, number: NumberArgument = None) -> None:
    """Do not score the round's model version: the round finishes as soon as it is aggregated."""
    from fedface_cli.api_client import ControlApi

    with ControlApi() as api:
        number = _round_number(api, run_id, number)
        _print_result(f"round {number} will not be scored", api.skip_evaluation(run_id, number))


def _round_number(api: ControlApi, run_id: str, given: int | None) -> int:
    """The given number, or that of the run's current round."""
    from fedface_core.domain.errors import WrongPhaseError

    number = given if given is not None else api.run(run_id).round
    if number is None:
        raise WrongPhaseError(f"{run_id} has no round yet; see its phase with: fedface run show {run_id}")
    return number


def _print_result(done: str, run: RunDetail) -> None:
    from fedface_cli.wording import status_line

    say(f"{done}; {status_line(run)}")
