"""The commands of `fedface`: its own, and those that other installed packages add by entry points.

A package adds a command by an entry point of the group `fedface.commands`: the entry point has the command's name, and its
object is a function or a Typer app. A dot in the name leads into a group of the operator's own commands: ``model.import`` is
`fedface model import`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperGroup

from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.errors import InvalidInputError

GROUP: Final = "fedface.commands"
_MOST_ALIKE: Final = 4

# Command → the package that adds it. The help lists these commands in this order.
ADDED_BY: Final = {
    "up": "fedface-stack",
    "demo": "fedface-lab",
    "data": "fedface-lab",
    "pretrain": "fedface-lab",
    "simulate": "fedface-lab",
    "evaluate": "fedface-lab",
    "study": "fedface-lab",
    "attack": "fedface-lab",
    "model.import": "fedface-lab",
    "model.export": "fedface-lab",
    "bench": "fedface-loadtest",
}


class CommandGroup(TyperGroup):
    """The operator's own commands, then those of the other packages that are installed."""

    # Typer carries a click of its own, whose types are private: so contexts and commands are typed Any.

    @property
    def prefix(self) -> str:
        """What the names of entry points for commands of this group begin with."""
        return ""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names for the help: own groups, own commands, then added ones in the order of `ADDED_BY`, then others by name."""
        own = sorted(super().list_commands(ctx), key=lambda name: not hasattr(self.commands[name], "commands"))
        added = self._added()
        known = [name for name in map(self._own_name, ADDED_BY) if name in added]
        return [*own, *known, *sorted(added.keys() - set(own) - set(known))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or None. `InvalidInputError` if the package that adds the command is not installed."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entry_point = self._added().get(cmd_name)
        if entry_point is not None:
            return _load_command(entry_point)
        package = ADDED_BY.get(f"{self.prefix}{cmd_name}")
        if package is not None and self._own_name(f"{self.prefix}{cmd_name}") is not None:
            path = f"{self.prefix}{cmd_name}".replace(".", " ")
            raise InvalidInputError(f"`fedface {path}` is not installed here; it comes with the package {package}")
        return None

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """What is left for a command. An error about the options of the group hides the credentials in URLs."""
        with _credentials_hidden():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. An error about its options and arguments hides the credentials in URLs."""
        with _credentials_hidden():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that ``args`` begin with. For one that there is not, the error says which ones are like it."""
        self.suggest_commands = False  # typer knows those of this group only that are not added
        try:
            return super().resolve_command(ctx, args)
        except typer.TyperException as error:
            alike = self._alike(ctx, args[0]) if args and not args[0].startswith("-") else []
            if alike:
                path = ctx.command_path
                error.message = f"{error.message} Did you mean {' or '.join(f'`{path} {name}`' for name in alike)}?"
            raise

    def _alike(self, ctx: Any, typed: str) -> list[str]:
        """The commands whose names are like what was typed, and those of this name in groups below."""
        deeper = [f"{name} {typed}" for name, group in self.commands.items() if typed in getattr(group, "commands", {})]
        return (get_close_matches(typed, self.list_commands(ctx)) + deeper)[:_MOST_ALIKE]

    def _added(self) -> dict[str, EntryPoint]:
        """The entry points of this group's commands, by the commands' names."""
        found = {self._own_name(entry_point.name): entry_point for entry_point in entry_points(group=GROUP)}
        return {name: entry_point for name, entry_point in found.items() if name is not None}

    def _own_name(self, name: str) -> str | None:
        """The name in this group of the command of an entry point; None if the command is in another group."""
        rest = name.removeprefix(self.prefix)
        return rest if name.startswith(self.prefix) and "." not in rest else None


class Subgroup(CommandGroup):
    """A group of the operator's own commands, such as `fedface model`, to which other packages may add some."""

    @property
    def prefix(self) -> str:
        """The group's name and a dot."""
        return f"{self.name}."


@contextmanager
def _credentials_hidden() -> Iterator[None]:
    """A context in which typer's errors, which quote what was typed, quote no password."""
    try:
        yield
    except typer.TyperException as error:
        error.message = mask_credentials(error.message)
        raise


def _load_command(entry_point: EntryPoint) -> Any:
    target = entry_point.load()
    if isinstance(target, typer.Typer):
        # Not get_command: it would add the options about completion, which are of `fedface` itself.
        command: Any = typer.main.get_group(target)
    else:
        app = typer.Typer(add_completion=False)
        app.command()(target)
        command = typer.main.get_command(app)
    command.name = entry_point.name.rpartition(".")[2]
    return command
