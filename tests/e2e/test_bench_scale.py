"""`fedface bench scale` compares its simulation with rounds of real services: few clients, that train and that do not."""

from __future__ import annotations

import json

import pytest

from support.command_line import Invoke

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def test_rounds_are_measured_and_simulated(fedface: Invoke) -> None:
    options = ("--check", "4", "--check-training", "3", "--delivery", "combined", "--limit-seconds", "300", "--json")
    status, out, err = fedface("bench", "scale", *options)
    assert status == 0, err
    nothing, training = json.loads(out)["rounds"]
    assert (nothing["clients"], training["clients"]) == (4, 3)
    assert training["training_ms"] > nothing["training_ms"] > 0
    assert all(one["measured_seconds"] > 0 for one in (nothing, training))
    assert "measured, s" in err
