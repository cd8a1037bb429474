"""`fedface round …`: list the rounds of a run, show a report; close the current round, retry it, skip its evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.arguments import RunIdArgument
from fedface_cli.command_options import open_api, with_api
from fedface_cli.terminal import answer, json_wanted, note, print_json

if TYPE_CHECKING:
    from fedface_cli.api_client import ControlApi
    from fedface_core.contracts.http import RunDetail

app = typer.Typer(
    help="List rounds and their reports; close, retry or leave unscored the current one.", no_args_is_help=True
)

NumberArgument = Annotated[int | None, typer.Argument(metavar="NUMBER", min=0, help="The current round by default.")]


@app.command("list")
@with_api
def list_rounds(run_id: RunIdArgument) -> None:
    """List the rounds of a run: what became of each, its scores, and the model version that it made."""
    from fedface_cli.plain_console import listing_console
    from fedface_cli.round_tables import rounds_table
    from fedface_core.domain.free_text import one_line

    with open_api() as api:
        listed = api.rounds(run_id)
    if json_wanted():
        print_json(listed.model_dump(mode="json"))
        return
    for number, reason in listed.unreadable.items():
        note(f"round {number} cannot be read: {one_line(reason)}")
    if not listed.rounds:
        note(f"{run_id} has no round yet; see its phase with: fedface run show {run_id}")
        return
    console = listing_console()
    console.print(rounds_table(listed.rounds, console))


@app.command()
@with_api
def report(
    run_id: RunIdArgument,
    number: Annotated[
        int | None, typer.Argument(metavar="NUMBER", min=0, help="The newest scored round by default.")
    ] = None,
) -> None:
    """Show a round's verification report: its scores, and the points of its ROC curve at the rates of the plan."""
    from fedface_cli.plain_console import listing_console
    from fedface_cli.round_tables import report_table
    from fedface_core.domain.errors import NotFoundError

    with open_api() as api:
        if number is None:
            scored = [view.number for view in api.rounds(run_id).rounds if view.scores is not None]
            if not scored:
                raise NotFoundError(f"no round of {run_id} is scored yet; see them with: fedface round list {run_id}")
            number = max(scored)
        found = api.report(run_id, number)
    if json_wanted():
        print_json(found.model_dump(mode="json"))
        return
    console = listing_console()
    console.print(report_table(found, console))


@app.command()
@with_api
def close(run_id: RunIdArgument, number: NumberArgument = None) -> None:
    """Close the open round now, with the updates accepted so far."""
    with open_api() as api:
        number = _round_number(api, run_id, number)
        _print_result(f"round {number} is closed", api.close_round(run_id, number))


@app.command()
@with_api
def retry(run_id: RunIdArgument, number: NumberArgument = None) -> None:
    """Abandon the round, and open another round with a fresh cohort from the same model version."""
    with open_api() as api:
        number = _round_number(api, run_id, number)
        _print_result(f"round {number} is abandoned", api.retry_round(run_id, number))


@app.command("skip-evaluation")
@with_api
def skip_evaluation(run_id: RunIdArgument, number: NumberArgument = None) -> None:
    """Do not score the round's model version: the round finishes as soon as it is aggregated."""
    with open_api() as api:
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

    answer(run.model_dump(mode="json"), f"{done}; {status_line(run)}")
