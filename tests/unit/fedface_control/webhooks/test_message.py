"""The message of an event, as Standard Webhooks has it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from fedface_control.webhooks.message import headers_of, is_told, message_of
from fedface_core.ports import RecordedEvent

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "whsec_" + "A" * 40
EVENT = RecordedEvent("1700000000000-0", AT, "round_opened", {"phase": "running", "round": 3})


def test_the_message_names_run_event_and_what_happened() -> None:
    message = message_of("run-1", EVENT)
    assert message.id == "run-1_1700000000000-0"
    assert json.loads(message.body) == {
        "type": "round.opened",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "data": {"run": "run-1", "event": "1700000000000-0", "phase": "running", "round": 3},
    }


def test_the_signature_is_the_receivers_to_check() -> None:
    message = message_of("run-1", EVENT)
    headers = headers_of(message, SECRET)
    assert Webhook(SECRET).verify(message.body, headers)["type"] == "round.opened"
    for wrong in (message.body + " ", message.body.replace("3", "4", 1)):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(wrong, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "B" * 40).verify(message.body, headers)


@pytest.mark.parametrize(("name", "told"), [("run_failed", True), ("round_closed", True), ("waiting", False)])
def test_receivers_are_told_of_phases_alone(name: str, told: bool) -> None:
    assert is_told(RecordedEvent("1-0", AT, name, {})) is told
