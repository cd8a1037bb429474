"""The table of who may make what names every kind of object, and every message has a sender."""

from __future__ import annotations

from typing import get_args

import pytest

from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import AGGREGATOR, ROUTES
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.facts import PREPARATION, Fact, OwnedStep, StepFailed, StepFailing, Waiting
from fedface_core.signing.makers import MAKERS, MARKS, NAMED_BY_DIGEST, SIGNERS, senders

RUN = "run-0123456789ab"


def test_every_kind_of_object_is_signed_or_named_by_its_digest_or_only_a_mark() -> None:
    assert sorted([*MAKERS, *NAMED_BY_DIGEST, *MARKS]) == sorted(object_keys.KINDS)
    assert set(MAKERS.values()) <= set(SIGNERS)


def test_every_message_has_a_sender_that_signs() -> None:
    for kind in ROUTES:
        if kind is not HandleFact:
            assert senders(kind.model_construct()) <= set(SIGNERS)
            assert senders(kind.model_construct())
    for kind in get_args(get_args(Fact)[0]):
        step = "client.train" if kind is StepFailing else None
        fact = kind.model_construct(run_id=RUN, round=0, because="settled", step=step, service="client")
        assert senders(HandleFact.model_construct(run_id=fact.run_id, fact=fact)), kind


@pytest.mark.parametrize("step", [None, *OwnedStep])
def test_a_failed_step_is_believed_from_the_service_that_takes_it(step: OwnedStep | None) -> None:
    fact = StepFailed(run_id=RUN, step=step, round=None if step in PREPARATION else 1, reason="no disk")
    owner = AGGREGATOR if step is None else {route.task: route.queue for route in ROUTES.values()}[step]
    assert senders(HandleFact(run_id=RUN, fact=fact)) == {owner}


@pytest.mark.parametrize("service", SIGNERS)
def test_a_note_for_the_audit_trail_is_believed_from_the_service_that_it_is_about(service: str) -> None:
    failing = StepFailing(run_id=RUN, step=f"{service}.step", round=1, reason="no disk")
    waiting = Waiting.model_validate({"run_id": RUN, "service": service, "reason": "S3 does not answer"})
    for note in (failing, waiting):
        assert senders(HandleFact(run_id=RUN, fact=note)) == {service}
