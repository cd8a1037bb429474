"""`fedface keys create|list|delete`: API keys, by which scripts sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.arguments import YesOption
from fedface_cli.command_group import Subgroup
from fedface_cli.command_options import open_api, with_api
from fedface_cli.terminal import answer, confirmed, json_wanted, note, print_json, say
from fedface_core.domain.role import Role

if TYPE_CHECKING:
    from fedface_core.contracts.sign_in import KeyView

app = typer.Typer(cls=Subgroup, help="Create, list and delete API keys, by which scripts sign in.", no_args_is_help=True)


@app.command()
@with_api
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is: key:NAME stands in the audit trail.")],
    roles: Annotated[list[Role], typer.Option("--role", help="What it may do. Repeatable.")],
    days: Annotated[int, typer.Option(min=1, help="How long it is believed.")] = 90,
) -> None:
    """Make an API key, and print it. It is shown this once: only its digest is kept.

    Keep it in a file that FEDFACE_TOKEN_FILE names, or in a store of secrets.
    """
    with open_api() as api:
        made = api.create_key(name, roles, days)
    answer(made.model_dump(mode="json"), made.key)
    note(f"{made.id}: {_described(made)}; this is the only time that the key is shown")


@app.command("list")
@with_api
def list_keys() -> None:
    """List all API keys: their ids, names and roles, and when they end."""
    from rich.table import Table

    from fedface_cli.plain_console import listing_console
    from fedface_cli.wording import local_minute

    with open_api() as api:
        listed = api.keys()
    if json_wanted():
        print_json(listed.model_dump(mode="json"))
        return
    if not listed.keys:
        note("no keys: make one with `fedface keys create NAME --role viewer`")
        return
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    for column in ("id", "name", "roles", "made", "expires", "last used"):
        table.add_column(column, no_wrap=column != "roles")
    for key in listed.keys:
        used = "–" if key.last_used is None else str(key.last_used)
        table.add_row(key.id, key.name, ", ".join(key.roles), local_minute(key.made_at), local_minute(key.expires_at), used)
    listing_console().print(table)


@app.command()
@with_api
def delete(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id; `fedface keys list` shows it.")],
    yes: YesOption = False,
) -> None:
    """Delete an API key: from now on nobody is believed who shows it."""
    from fedface_cli.arguments import check_key_id

    check_key_id(key_id)
    if not confirmed(f"Delete the key {key_id}, for good?", what=f"deleting the key {key_id}", yes=yes):
        say(f"{key_id} is not deleted")
        return
    with open_api() as api:
        api.delete_key(key_id)
    answer({"id": key_id, "deleted": True}, f"{key_id} is deleted")


def _described(key: KeyView) -> str:
    from fedface_cli.wording import local_minute

    return f"key:{key.name}, {', '.join(key.roles)}, until {local_minute(key.expires_at)}"
