"""Arguments and options of several commands."""

from __future__ import annotations

from typing import Annotated

import typer

RunIdArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, such as run-0123456789ab.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
