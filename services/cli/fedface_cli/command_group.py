"""The commands of `fedface`: its own, and those that other installed packages add by entry points.

A package adds a command by an entry point of the group `fedface.commands`: the entry point has the command's name, and its
object is a function or a Typer app.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperGroup

from fedface_core.domain.errors import InvalidInputError

GROUP: Final = "fedface.commands"

# Command → the package that adds it. The help lists these commands in this order.
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

    # Typer carries a click of its own, whose types are private: so contexts and commands are typed Any.

    def list_commands(self, ctx: Any) -> list[str]:
        """Names for the help: own commands, then added ones in the order of `ADDED_BY`, then others by name."""
        own = super().list_commands(ctx)
        added = _added_commands()
        known = [name for name in ADDED_BY if name in added]
        return [*own, *known, *sorted(added.keys() - set(own) - set(known))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or None. `InvalidInputError` if the package that adds the command is not installed."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entry_point = _added_commands().get(cmd_name)
        if entry_point is not None:
            return _load_command(entry_point)
        if cmd_name in ADDED_BY:
            raise InvalidInputError(
                f"`fedface {cmd_name}` is not installed here; it comes with the package {ADDED_BY[cmd_name]}"
            )
        return None


def _added_commands() -> dict[str, EntryPoint]:
    return {entry_point.name: entry_point for entry_point in entry_points(group=GROUP)}


def _load_command(entry_point: EntryPoint) -> Any:
    target = entry_point.load()
    if isinstance(target, typer.Typer):
        app = target
    else:
        app = typer.Typer(add_completion=False)
        app.command()(target)
    command = typer.main.get_command(app)
    command.name = entry_point.name
    return command
