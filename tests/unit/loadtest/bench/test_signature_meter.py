"""The meter counts what is done for signatures alone, and the metered store and messages work as those of the services."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import FoldShard, ReduceRound
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.signing.errors import SignatureError
from fedface_core.signing.keys import own_keys
from loadtest.bench import signature_meter
from loadtest.bench.signature_meter import SignatureMeter, SignedMessages, metered_signatures

RUN = "run-0123456789ab"
UPDATE = object_keys.update(RUN, 1, "client-000000")
PARTIAL = object_keys.partial(RUN, 1, 0, "a" * 64)


class SlowArtifacts(MemoryArtifacts):
    """A store that takes a hundredth of a second of processor time for each call."""

    def put(self, *args: Any, **named: Any) -> None:
        _work()
        super().put(*args, **named)

    def put_all(self, *args: Any) -> None:
        _work()
        super().put_all(*args)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        _work()
        return super().get_range(key, start, length)

    def size(self, key: str) -> int:
        _work()
        return super().size(key)

    def keys(self, prefix: str) -> Sequence[str]:
        _work()
        return super().keys(prefix)


def _work() -> None:
    end = time.thread_time() + 0.01
    while time.thread_time() < end:
        pass


def test_what_the_store_does_anyway_is_not_counted_and_what_it_does_for_signatures_is() -> None:
    meter = SignatureMeter()
    store = metered_signatures(SlowArtifacts(), own_keys(), meter)
    store.put(UPDATE, b"update")
    assert 0 < meter.seconds < 0.01
    meter.reset()
    store.signed_sha256(UPDATE, 6)
    assert meter.seconds > 0.01
    store.put(PARTIAL, b"partial")
    meter.reset()
    assert store.size(PARTIAL) == 7
    assert 0.01 < meter.seconds < 0.02, "the digests of its blocks are read for signatures; its size is asked anyway"


def test_every_call_is_metered() -> None:
    """What is not counted must not be taken off either: such a call would hide what others cost."""
    meter = SignatureMeter()
    store = metered_signatures(SlowArtifacts(), own_keys(), meter)
    store.put_all({object_keys.row(RUN, "a" * 64, "client-000000"): (b"row",)})
    assert 0 < meter.seconds < 0.01
    for ask in (lambda: store.keys("runs/"), lambda: store.get_range("models/a", 0, 1)):
        meter.reset()
        with suppress(ArtifactMissingError):
            ask()
        assert 0 <= meter.seconds < 0.005


def test_a_metered_store_refuses_what_is_forged() -> None:
    below = MemoryArtifacts()
    store = metered_signatures(below, own_keys(), SignatureMeter())
    store.put(UPDATE, b"update")
    assert store.get(UPDATE) == b"update"
    below.put(UPDATE, below.get(UPDATE).replace(b"update", b"forged", 1))
    with pytest.raises(SignatureError):
        store.get(UPDATE)


def test_messages_are_signed_checked_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = SignatureMeter()
    messages = SignedMessages(own_keys(), meter)
    commands = [FoldShard(run_id=RUN, round=1, shard=0), ReduceRound(run_id=RUN, round=1)]
    messages.publish_all(commands, correlation_id="life")
    signed = meter.seconds
    assert signed > 0
    assert [messages.take(), messages.take(), messages.take()] == [*((one, "life") for one in commands), None]
    assert meter.seconds > signed
    messages.publish_all(commands[:1], correlation_id="life")
    monkeypatch.setattr(signature_meter, "signature_of", lambda *_: pytest.fail("it is signed once"))
    messages.published[0] = (FoldShard(run_id=RUN, round=1, shard=1), "life")
    with pytest.raises(SignatureError):
        messages.take()
