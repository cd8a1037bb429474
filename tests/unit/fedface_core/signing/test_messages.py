"""Signatures of messages: each part of a message is signed, and a header of any form is refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from fedface_core.domain.commands import FoldShard, HandleFact, ReduceRound
from fedface_core.domain.facts import StepFailed
from fedface_core.signing.errors import SignatureError, UnsignedError
from fedface_core.signing.keys import own_keys
from fedface_core.signing.messages import check_message, signature_of

RUN = "run-0123456789ab"
COMMAND = FoldShard(run_id=RUN, round=1, shard=0)
BODY = COMMAND.model_dump(mode="json")
HEADER = signature_of(own_keys(), COMMAND, BODY, "life")


def test_an_equal_message_is_believed_whatever_the_order_of_its_fields() -> None:
    check_message(own_keys(), COMMAND, dict(reversed(BODY.items())), "life", HEADER)


@pytest.mark.parametrize(
    ("body", "correlation_id"),
    [(BODY | {"shard": 1}, "life"), (BODY | {"shard": "0"}, "life"), (BODY | {"more": 1}, "life"), (BODY, "another")],
)
def test_each_part_is_signed(body: dict[str, Any], correlation_id: str) -> None:
    with pytest.raises(SignatureError, match=r"the message aggregator\.fold_shard has a wrong signature"):
        check_message(own_keys(), COMMAND, body, correlation_id, HEADER)


def test_a_command_is_not_believed_as_another_one() -> None:
    other = ReduceRound(run_id=RUN, round=1)
    with pytest.raises(SignatureError, match=r"aggregator\.reduce_round"):
        check_message(own_keys(), other, other.model_dump(mode="json"), "life", HEADER)


@pytest.mark.parametrize("header", [None, 1, [], {}, b"client x y"])
def test_a_message_without_a_signature_says_so(header: object) -> None:
    with pytest.raises(UnsignedError, match="has no signature"):
        check_message(own_keys(), COMMAND, BODY, "life", header)


WRONG_FORM = ("", " ", "  ", "client", "client x", "client x not base64!", "x" * 5000, f"{HEADER} ", "é é é")


@pytest.mark.parametrize("header", WRONG_FORM)
def test_a_header_of_another_form_is_refused(header: str) -> None:
    with pytest.raises(SignatureError):
        check_message(own_keys(), COMMAND, BODY, "life", header)


def test_a_refusal_names_the_fact() -> None:
    command = HandleFact(run_id=RUN, fact=StepFailed(run_id=RUN, round=1, reason="forged"))
    with pytest.raises(UnsignedError, match=r"the message control\.handle_fact of step_failed"):
        check_message(own_keys(), command, command.model_dump(mode="json"), "life", None)
