"""What is sent once, to a real server on this machine."""

from __future__ import annotations

import json
import time

import pytest
from standardwebhooks import Webhook

from fedface_control.webhooks.message import Message
from fedface_control.webhooks.receiver import Receiver, RefusedMessageError
from fedface_core.domain.errors import UnavailableError
from fedface_stack.local_ports import free_ports
from support.monitoring import Request, receiving

SECRET = "whsec_" + "A" * 40
MESSAGE = Message("run-1_1-0", json.dumps({"type": "run.failed"}))


def test_a_message_arrives_signed() -> None:
    with receiving() as server:
        Receiver(f"{server.url}/hook", SECRET).send(MESSAGE)
    (request,) = server.received
    assert Webhook(SECRET).verify(request.body, request.headers) == {"type": "run.failed"}
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("status", "gone"), [(500, False), (404, False), (410, True)])
def test_another_answer_than_success_is_a_refusal(status: int, gone: bool) -> None:
    with (
        receiving(answer=lambda _: status) as server,
        pytest.raises(RefusedMessageError, match=f"answers {status}") as error,
    ):
        Receiver(server.url, SECRET).send(MESSAGE)
    assert error.value.gone is gone


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """A receiver could otherwise have FedFace send to any server that FedFace reaches."""
    with receiving(answer=lambda _: status) as server, pytest.raises(RefusedMessageError, match=f"answers {status}"):
        Receiver(server.url, SECRET).send(MESSAGE)
    assert len(server.received) == 1


def test_a_receiver_that_is_away_or_slow_is_unavailable_in_time() -> None:
    (nobodys,) = free_ports(1)
    with pytest.raises(UnavailableError, match="does not answer"):
        Receiver(f"http://127.0.0.1:{nobodys}", SECRET).send(MESSAGE)

    def slow(_request: Request) -> int:
        time.sleep(0.15)
        return 204

    with receiving(answer=slow) as server, pytest.raises(UnavailableError, match="does not answer"):
        Receiver(server.url, SECRET, answer_seconds=0.02).send(MESSAGE)


def test_a_receiver_is_named_without_its_url() -> None:
    receiver = Receiver("https://hooks.example.org/secret-path", SECRET)
    assert len(receiver.name) == 16
    assert receiver.host == "hooks.example.org"
