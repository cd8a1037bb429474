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

import os
from typing import Annotated

import typer

from fedface_cli import artifact_commands, model_commands, round_commands, run_commands
from fedface_cli.command_group import CommandGroup

# Exit statuses
FAILED = 1
USAGE = 2
INTERRUPTED = 130

app = typer.Typer(
    name="fedface",
    cls=CommandGroup,
    help="Federated learning of face recognition: each client has one identity, and its photographs never leave it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # only mistakes of ours show a traceback, and the plain one says more
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(run_commands.app, name="run")
app.add_typer(round_commands.app, name="round")
app.add_typer(model_commands.app, name="model")
app.add_typer(artifact_commands.app, name="artifacts")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fedface {version('fedface-cli')}")
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

    The status is 0 if the command is done, 1 if it failed, 2 if usage or input is wrong, 130 if it was interrupted. `run
    watch` also has 3 if the run was cancelled and 4 if it was deleted meanwhile.
    """
    if arguments is None:  # this process is the command
        os.environ["PYTHONSAFEPATH"] = "1"  # no Python process that it starts imports from the current folder
    try:
        app(args=arguments)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        from fedface_core.domain.errors import FedFaceError, InvalidInputError

        if not isinstance(error, FedFaceError):
            raise
        typer.secho("error: ", fg="red", err=True, nl=False)
        typer.echo(str(error), err=True)
        sys.exit(USAGE if isinstance(error, InvalidInputError) else FAILED)


if __name__ == "__main__":
    main()
