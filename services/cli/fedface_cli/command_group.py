"""Which commands `fedface` has: its own, and those that other installed packages add by entry points.

A package adds a command by an entry point of the group `fedface.commands`: its name is the command's, and its object is a
function or a Typer app.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperGroup

from fedface_core.domain.errors import InvalidInputError

GROUP: Final = "fedface.commands"

# The package that adds each command that is not the operator's own; also their order in the help.
ADDED_BY: Final = {
    "up": "fedface-stack",
    "demo": "fedface-lab",
    "data": "fedface-lab",
    "pretrain": "fedface-lab",
    "evaluate": "fedface-lab",
    "study": "fedface-lab",
    "bench": "fedface-loadtest",
}


class CommandGroup(TyperGroup):
    """The operator's own commands, then those of the other packages that are installed."""

    # Typer carries a click of its own, whose types are private: hence Any for contexts and commands.

    def list_commands(self, ctx: Any) -> list[str]:
        """Names for the help: the operator's own, then added ones in the order of `ADDED_BY`, then anybody else's."""
        own, added = super().list_commands(ctx), _added()
        known = [name for name in ADDED_BY if name in added]
        return [*own, *known, *sorted(added.keys() - set(own) - set(known))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name; None where nobody has one. `InvalidInputError` where its package is not installed."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entry_point = _added().get(cmd_name)
        if entry_point is not None:
            return _loaded(entry_point)
        if cmd_name in ADDED_BY:
            raise InvalidInputError(
                f"`fedface {cmd_name}` is not installed here; it comes with the package {ADDED_BY[cmd_name]}"
            )
        return None


def _added() -> dict[str, EntryPoint]:
    return {entry_point.name: entry_point for entry_point in entry_points(group=GROUP)}


def _loaded(entry_point: EntryPoint) -> Any:
    found = entry_point.load()
    if isinstance(found, typer.Typer):
        app = found
    else:
        app = typer.Typer(add_completion=False)
        app.command()(found)
    command = typer.main.get_command(app)
    command.name = entry_point.name
    return command
