"""What `fedface up` prints of a started stack."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path

import pytest

from fedface_cli.plain_console import PlainConsole
from fedface_stack.stack import LocalStack
from fedface_stack.supervision import Supervision
from fedface_stack.up import print_addresses
from support.command_line import Invoke


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


class StartedStack(LocalStack):
    """A stack of which nothing is started, and one process has ended by itself."""

    def start(self, on_waiting: Callable[[Sequence[str]], None] | None = None) -> None:
        self.api_url = "http://127.0.0.1:8000"
        self.metrics_targets = {"client": "127.0.0.1:9000"}

    def stop(self) -> None:
        pass


def test_in_json_the_addresses_are_one_document_as_soon_as_it_is_up(
    fedface: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(supervision: Supervision) -> None:
        supervision._say("client ended with status 1 and is started again")  # noqa: SLF001
        raise KeyboardInterrupt

    monkeypatch.setattr("fedface_stack.stack.LocalStack", StartedStack)
    monkeypatch.setattr(Supervision, "look", look)
    monkeypatch.setattr("fedface_stack.signals.exit_on_termination", lambda: None)
    code, out, err = fedface("up", "--workdir", str(tmp_path), "--json")
    assert (code, "client ended with status 1" in err, "stopped" in err) == (0, True, True)
    assert json.loads(out) == {
        "console_url": None,
        "api_url": "http://127.0.0.1:8000",
        "docs_url": "http://127.0.0.1:8000/docs",
        "prometheus_url": None,
        "metrics": {"client": "http://127.0.0.1:9000/metrics"},
        "work_directory": str(tmp_path),
        "logs": str(tmp_path / "logs"),
    }
