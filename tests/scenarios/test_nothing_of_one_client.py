"""Every object, record and message of a masked run is read: none holds a client's update, image count or class embedding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel
from scipy import stats
from torch import Tensor

from fedface_core.adapters.memory import ManualClock, MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run, RunPhase
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER
from support.in_process import InProcess
from support.masked_run import MASKS, WITHOUT_DEADLINES, small_masked_plan

LYING = {"against": "lying"}
KEEPS_ALL = {"rounds_of_updates": 3}
NUMBERS = 6
"""So many numbers in a row, as bytes, are found nowhere by chance."""
LEAST_CHANCE = 1e-6
"""A test of uniformity fails a vector that only so rarely comes of uniform numbers."""


class Remembering(MemoryArtifacts):
    """A store that forgets no object, whatever is removed or replaced."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.ever: dict[tuple[str, bytes], None] = {}

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        super().put(key, *data, sha256=sha256)
        self.ever[key, b"".join(data)] = None


class Overheard(InProcess):
    """Services whose messages and objects are all kept."""

    def __init__(self, plan: Plan) -> None:
        clock = ManualClock()
        self.remembering = Remembering(clock)
        self.messages: list[str] = []
        super().__init__(plan, clock=clock, artifacts=self.remembering)

    def deliver(self, command: BaseModel, correlation_id: str) -> None:
        self.messages.append(command.model_dump_json())
        super().deliver(command, correlation_id)

    def records(self, run: Run) -> Iterator[str]:
        """All that the ledger holds of a run."""
        ledger = self.ports.ledger
        yield run.model_dump_json()
        yield from (repr(event) for event in ledger.events(run.id))
        for current in ledger.rounds(run.id):
            yield current.model_dump_json()
            yield repr(ledger.tally(run.id, current.number))
            yield repr(ledger.failed(run.id, current.number))
            yield from (update.model_dump_json() for update in ledger.accepted(run.id, current.number).values())
            yield from (repr(ledger.deposits(run.id, current.number, kind)) for kind in Deposit)


def completed(services: Overheard) -> Run:
    run = services.run()
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
    return run


@pytest.fixture(scope="module")
def masked() -> tuple[Overheard, Run]:
    services = Overheard(small_masked_plan(secure_aggregation=MASKS | WITHOUT_DEADLINES | LYING, retention=KEEPS_ALL))
    return services, completed(services)


@pytest.fixture(scope="module")
def plain() -> tuple[Overheard, Run]:
    """The same run without masks: its updates are what the masks hide."""
    services = Overheard(small_masked_plan(retention=KEEPS_ALL))
    return services, completed(services)


def of_one_client(services: Overheard, run: Run) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that a client uploads: its model, how it changed, its class embedding, and that in units of the sums."""
    for current in services.ports.ledger.rounds(run.id):
        base, _ = decode_tensors(services.ports.artifacts.get(object_keys.model(current.model_sha256)))
        for client in services.ports.ledger.accepted(run.id, current.number):
            update, _ = decode_tensors(services.ports.artifacts.get(object_keys.update(run.id, current.number, client)))
            for name, tensor in update.items():
                yield f"{name} of {client} in round {current.number}", tensor.flatten()
                if name in base and tensor.is_floating_point():
                    yield f"the change of {name} of {client}", (tensor - base[name]).flatten()
            parts = [each for name, each in update.items() if name == BEFORE_AND_AFTER]
            for each_D in (each_D for pair_2D in parts for each_D in pair_2D):
                yield f"the class embedding of {client}, in units", (each_D.double() * 2**15).round().long()


def windows(tensor: Tensor) -> list[bytes]:
    """Two stretches of ``NUMBERS`` numbers of a tensor that say something: none of them is zero."""
    values = tensor.numpy()
    starts = [start for start in range(len(values) - NUMBERS + 1) if values[start : start + NUMBERS].all()]
    return [values[start : start + NUMBERS].tobytes() for start in starts[:1] + starts[-1:]]


def test_no_object_record_or_message_holds_what_one_client_has_uploaded(
    masked: tuple[Overheard, Run], plain: tuple[Overheard, Run]
) -> None:
    assert masked[1].model_sha256 == plain[1].model_sha256, "the same updates were made"
    secrets = {window: name for name, tensor in of_one_client(*plain) for window in windows(tensor)}
    assert len(secrets) > 1000
    assert len({secrets[window] for window in found_in(plain, secrets)}) > 200, "without masks they lie about"
    assert {secrets[window] for window in found_in(masked, secrets)} == set()


def found_in(overheard: tuple[Overheard, Run], secrets: dict[bytes, str]) -> set[bytes]:
    services, run = overheard
    texts = "\n".join([*services.messages, *services.records(run)]).encode()
    everything = b"\n".join([texts, *(data for _, data in services.remembering.ever)])
    return {window for window in secrets if window in everything}


def test_no_record_or_message_says_how_many_images_one_client_has(masked: tuple[Overheard, Run]) -> None:
    services, run = masked
    for current in services.ports.ledger.rounds(run.id):
        accepted = services.ports.ledger.accepted(run.id, current.number)
        assert len(accepted) == 16
        assert {(update.images, update.loss_before, update.loss_after) for update in accepted.values()} == {(None,) * 3}
        assert len({update.size for update in accepted.values()}) == 1


def test_masked_vectors_and_their_differences_are_uniform(
    masked: tuple[Overheard, Run], plain: tuple[Overheard, Run]
) -> None:
    """Differences too, of two clients and of two rounds of one client: no mask is used twice."""
    services, run = masked
    vectors = {
        (number, client_id(index)): vector_of(services, run, number, client_id(index))
        for number in range(1, run.plan.rounds + 1)
        for index in range(16)
    }
    assert not_uniform(np.concatenate(list(vectors.values()))) > LEAST_CHANCE
    of_two_clients = [vectors[1, client_id(index)] - vectors[1, client_id(index + 1)] for index in range(0, 16, 2)]
    of_two_rounds = [vectors[1, client_id(index)] - vectors[2, client_id(index)] for index in range(16)]
    assert not_uniform(np.concatenate(of_two_clients)) > LEAST_CHANCE
    assert not_uniform(np.concatenate(of_two_rounds)) > LEAST_CHANCE
    bare = [tensor.numpy().view(np.uint32).astype(np.uint64) for _, tensor in of_one_client(*plain) if tensor.numel() > 500]
    assert not_uniform(np.concatenate(bare)) < LEAST_CHANCE, "an update without masks fails the same test"


def vector_of(services: Overheard, run: Run, number: int, client: str) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    [vector_V] = decode_tensors(services.ports.artifacts.get(object_keys.update(run.id, number, client)))[0].values()
    return vector_V.numpy().view(np.uint64)


def not_uniform(numbers_V: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> float:
    """The chance with which uniform numbers are as uneven in their bytes as these (chi-square, 255 degrees of freedom)."""
    counts = np.bincount(numbers_V.view(np.uint8), minlength=256)
    return float(stats.chisquare(counts).pvalue)


def test_a_client_that_fails_does_not_say_how_large_its_update_was() -> None:
    """The reason names a check, and has a code for the log of the device."""
    far: dict[str, Any] = {"cohort": {"shard_size": 16, "minimum": 1, "max_update_norm": 1e-4}, "rounds": 1}
    services = Overheard(small_masked_plan(secure_aggregation=MASKS | WITHOUT_DEADLINES, **far))
    run = services.run()
    reasons = set(services.ports.ledger.failed(run.id, 1).values())
    expected = re.compile(r"its device has no update to send: norm_exceeded \(code [0-9a-f]{8}\)")
    assert reasons
    assert all(expected.fullmatch(reason) for reason in reasons)
    assert not any("from the global model" in record for record in services.records(run))
