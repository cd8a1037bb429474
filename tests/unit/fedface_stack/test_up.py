"""What `fedface up` prints of a started stack."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from fedface_cli.plain_console import PlainConsole
from fedface_stack.stack import LocalStack
from fedface_stack.up import print_addresses


@pytest.mark.parametrize("name", ["plain", "[red]faces[/]", "[/]", "50% [x]"])
def test_the_work_directory_is_printed_as_it_is_called(name: str) -> None:
    printed = StringIO()
    print_addresses(LocalStack(Path("/stacks") / name), PlainConsole(file=printed, width=200))
    assert f"work directory   /stacks/{name}" in printed.getvalue()
    assert f"/stacks/{name}/logs/*.log" in printed.getvalue()


@pytest.mark.parametrize("console_url", [None, "http://127.0.0.1:8080"])
def test_the_address_of_the_console_is_printed_if_there_is_one(console_url: str | None) -> None:
    printed = StringIO()
    stack = LocalStack(Path("/stacks/plain"))
    stack.console_url = console_url
    print_addresses(stack, PlainConsole(file=printed, width=200))
    assert ("console" in printed.getvalue()) == (console_url is not None)
    assert console_url is None or console_url in printed.getvalue()
