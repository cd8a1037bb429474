"""The table of who may make what names every kind of object, and every message has a sender."""

from __future__ import annotations

from typing import get_args

from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import ROUTES
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.facts import Fact
from fedface_core.signing.makers import MAKERS, MARKS, NAMED_BY_DIGEST, SIGNERS, senders


def test_every_kind_of_object_is_signed_or_named_by_its_digest_or_only_a_mark() -> None:
    assert sorted([*MAKERS, *NAMED_BY_DIGEST, *MARKS]) == sorted(object_keys.KINDS)
    assert set(MAKERS.values()) <= set(SIGNERS)


def test_every_message_has_a_sender_that_signs() -> None:
    for kind in ROUTES:
        if kind is not HandleFact:
            assert senders(kind.model_construct()) <= set(SIGNERS)
            assert senders(kind.model_construct())
    for kind in get_args(get_args(Fact)[0]):
        fact = kind.model_construct(run_id="run-0123456789ab", round=0, because="settled")
        assert senders(HandleFact.model_construct(run_id=fact.run_id, fact=fact)), kind
