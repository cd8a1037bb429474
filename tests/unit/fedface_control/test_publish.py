"""Commands are published after the activity is recorded, so that a sweep never repeats them too early."""

from __future__ import annotations

from typing import Any

import pytest

from fedface_control.publish import publish_commands
from fedface_core.domain.commands import ReduceRound
from fedface_core.domain.errors import UnavailableError
from support.control_rounds import NOW, RUN, Control, a_round


def test_activity_is_recorded_even_if_the_broker_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control.empty()
    run = control.open()
    control.clock.advance(5)

    def away(*_: Any, **__: Any) -> None:
        raise UnavailableError("the broker does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(control.publisher, "publish_all", away)
        with pytest.raises(UnavailableError):
            publish_commands(control.ports, run, a_round(number=0), [ReduceRound(run_id=RUN, round=0)])
    assert (control.ledger.tally(RUN, 0).last_activity - NOW).total_seconds() == 5


def test_commands_carry_the_correlation_id_of_their_run() -> None:
    control = Control.empty()
    run = control.open()
    commands = [ReduceRound(run_id=RUN, round=0)]
    publish_commands(control.ports, run, a_round(number=0), commands)
    assert control.publisher.published == [(commands[0], "abc")]
