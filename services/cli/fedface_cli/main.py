"""The `fedface` command: the operator's commands, which need only the control API.

Other packages add commands, as `command_group` describes. A command imports the modules that it works with only when it
runs, so that ``fedface --help`` does not wait for torch.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # ``python -m`` imports from the current folder first: a `queue.py` or `redis.py` there would be taken for the library.
    # This has to come before all other imports.
    del sys.path[0]

import itertools
import os
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli import (
    artifact_commands,
    dead_letters,
    key_commands,
    model_commands,
    plan_commands,
    round_commands,
    run_commands,
    sign_in_commands,
    terminal,
)
from fedface_cli.command_group import CommandGroup
from fedface_cli.exit_status import ExitStatus
from fedface_cli.whole_output import whole_output

if TYPE_CHECKING:
    from fedface_core.domain.errors import FedFaceError

app = typer.Typer(
    name="fedface",
    cls=CommandGroup,
    help="Federated learning of face recognition: each client has one identity, and its photographs never leave it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # only mistakes of ours show a traceback, and the plain one says more
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(plan_commands.app, name="plan")
app.add_typer(run_commands.app, name="run")
app.add_typer(round_commands.app, name="round")
app.add_typer(model_commands.app, name="model")
app.add_typer(artifact_commands.app, name="artifacts")
app.add_typer(key_commands.app, name="keys")
app.command("dead-letters")(dead_letters.list_dead_letters)
sign_in_commands.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        terminal.say(f"fedface {version('fedface-cli')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Take the options of `fedface` itself."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line (``sys.argv`` by default), and exit with its status.

    `ExitStatus` has the meaning of each status. With ``--json``, an error is a problem of RFC 9457 on standard error. If
    standard output is a pipe whose reader has gone, the command ends with `ExitStatus.FAILED` and says nothing.
    """
    terminal.prepare_streams()
    sys.excepthook = terminal.print_traceback
    if arguments is None:  # this process is the command
        os.environ["PYTHONSAFEPATH"] = "1"  # no Python process that it starts imports from the current folder
    with terminal.json_output(wanted=_wants_json(sys.argv[1:] if arguments is None else arguments)):
        try:
            with whole_output():
                _run(arguments)
        except KeyboardInterrupt:
            sys.exit(ExitStatus.INTERRUPTED)
        except Exception as error:
            from fedface_core.domain.errors import FedFaceError
            from fedface_core.files.file_problem import file_problem

            problem = file_problem(error) if isinstance(error, OSError) else error
            if not isinstance(problem, FedFaceError):
                raise
            terminal.say_error(problem)
            sys.exit(_status_of(problem))


def _wants_json(arguments: list[str]) -> bool:
    """Whether ``--json`` is among the options. That has to be known before they are parsed: a wrong option is an error."""
    return "--json" in itertools.takewhile(lambda argument: argument != "--", arguments)


def _run(arguments: list[str] | None) -> None:
    if not terminal.json_wanted():
        app(args=arguments)
        return
    try:
        # Typer would say what is wrong with a command line to people.
        sys.exit(app(args=arguments, standalone_mode=False) or ExitStatus.DONE)
    except typer.TyperException as error:
        from fedface_cli.problem_json import usage_problem

        terminal.print_json(usage_problem(error.format_message()), err=True)
        sys.exit(ExitStatus.WRONG_INPUT)


def _status_of(error: FedFaceError) -> ExitStatus:
    from fedface_core.domain.errors import InvalidInputError, NotFoundError, UnavailableError

    match error:
        case InvalidInputError():
            return ExitStatus.WRONG_INPUT
        case NotFoundError():
            return ExitStatus.NOT_FOUND
        case UnavailableError():
            return ExitStatus.UNAVAILABLE
        case _:
            return ExitStatus.FAILED


if __name__ == "__main__":
    main()
