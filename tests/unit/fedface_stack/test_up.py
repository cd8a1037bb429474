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
