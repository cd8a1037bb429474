"""The `fedface` command.

Here are the operator's commands, which need nothing but the API. Other packages add theirs: see `command_group`. Each
command's file imports what it works with only when it runs, so that ``fedface --help`` does not wait for torch.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fedface_cli import artifact_commands, model_commands, round_commands, run_commands
from fedface_cli.command_group import CommandGroup

FAILED, USAGE, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="fedface",
    cls=CommandGroup,
    help="Federated learning of face recognition: one identity a client, and no photograph ever leaves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback is for our mistakes, and then the plain one says more
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
    """What holds for all commands."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line (``sys.argv`` by default) and exit with its status.

    0 done, 1 failed, 2 wrong usage or input, 130 interrupted; `run watch` also 3 cancelled, 4 deleted meanwhile.
    """
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
