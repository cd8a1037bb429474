"""SIGTERM and SIGHUP end a command as an exit does, so that its ``finally`` blocks run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from fedface_stack.signals import exit_on_termination


@pytest.fixture
def _handlers_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers_restored")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_exits_with_the_status_that_a_shell_would_report(number: signal.Signals) -> None:
    exit_on_termination()
    with pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), number)
    assert ended.value.code == 128 + number
