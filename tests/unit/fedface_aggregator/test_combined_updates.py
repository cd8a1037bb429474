"""Combined updates are merged without being in memory as a whole, and one that is refused leaves the sum as it was."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest

from fedface_aggregator import combined_updates, read_ahead
from fedface_aggregator.combined_updates import merge_combined
from fedface_aggregator.read_again import ReplacedError
from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.contracts import object_keys
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import Round
from fedface_core.domain.update import AcceptedUpdate, group_digest
from fedface_core.ports import Ports
from fedface_learning.aggregation import StartingPoint, TrainingPartial
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from fedface_worker.workbench import Workbench
from support.combined_updates import START, accepted_of, folded
from support.server_rounds import starting_point
from support.small_networks import small_plan

NOW = datetime(2026, 11, 1, tzinfo=UTC)
GROUPS = [[client_id(2 * index), client_id(2 * index + 1)] for index in range(3)]
COHORT = tuple(client for group in GROUPS for client in group)
ROUND = Round(
    run_id="run-000000000000",
    number=1,
    cohort=COHORT,
    shard_size=len(COHORT),
    quorum=len(COHORT),
    minimum=1,
    opened_at=NOW,
    deadline_at=NOW,
    model_sha256=START.model_sha256,
)
BLOCK = 512


class Store(MemoryArtifacts):
    """A store in which an object is replaced after so many reads of it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[str, int] = {}
        self.replaced: dict[str, int] = {}
        """Key → before which read of a block, counted from 1."""

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        self.reads[key] = self.reads.get(key, 0) + 1
        if self.reads[key] == self.replaced.get(key):
            self.put(key, bytes(self.size(key)))
        return super().read_into(key, start, buffer)


def key_of(group: list[str]) -> str:
    return object_keys.combined_update(ROUND.run_id, ROUND.number, group_digest(group))


def put_all(store: Store) -> dict[str, AcceptedUpdate]:
    """Put a combined update of each group; returns what was accepted."""
    accepted: dict[str, AcceptedUpdate] = {}
    for by, group in enumerate(GROUPS, start=1):
        data = b"".join(folded(dict.fromkeys(group, by * 1e-3)).encoded_parts())
        store.put(key_of(group), data)
        accepted |= accepted_of(data, group)
    return accepted


def merged(store: Store, accepted: dict[str, AcceptedUpdate], start: StartingPoint = START) -> TrainingPartial:
    workbench = Workbench(Ports(MemoryLedger(), store, RecordingPublisher(), SystemClock()))
    return merge_combined(workbench, start, ROUND, accepted)


def sum_of(partial: TrainingPartial) -> tuple[bytes, int, int]:
    return b"".join(bytes(part) for part in partial.encoded_parts()[1:]), partial.folded, partial.images


@pytest.fixture(params=["held", "read twice"])
def reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often each block of an object is read if an object is held, and if it is too large for that."""
    monkeypatch.setattr(read_ahead, "BLOCK_BYTES", BLOCK)
    twice = request.param == "read twice"
    monkeypatch.setattr(combined_updates, "HELD_BYTES", BLOCK if twice else 2**20)
    return 2 if twice else 1


def test_the_sum_is_that_of_all_clients(reads: int) -> None:
    store = Store()
    accepted = put_all(store)
    partial = merged(store, accepted)
    expected = TrainingPartial()
    for by, group in enumerate(GROUPS, start=1):
        expected.merge(folded(dict.fromkeys(group, by * 1e-3)))
    assert sum_of(partial) == sum_of(expected)
    assert partial.refused == {}
    blocks = -(-store.size(key_of(GROUPS[0])) // BLOCK)
    assert blocks > 2, "they are of several blocks"
    total = sum(store.reads.values())
    if reads == 1:
        assert total == 3 * blocks
    else:
        assert 6 * blocks <= total <= 6 * blocks + 9, "some blocks have more than the sum, and are read once more"


@pytest.mark.parametrize("fault", ["replaced", "of others", "missing", "too large"])
def test_one_that_is_refused_leaves_the_sum_of_the_others(reads: int, fault: str) -> None:
    store = Store()
    accepted = put_all(store)
    bad = GROUPS[1]
    reason = "changed"
    match fault:
        case "replaced":
            data = store.get(key_of(bad))
            store.put(key_of(bad), data[:-8] + b"\1" * 8)  # all before the last values is as it was
        case "of others":
            data = b"".join(folded({bad[0]: 1e-3}).encoded_parts())
            store.put(key_of(bad), data)
            accepted |= accepted_of(data, bad)
            reason = "wrong_image_count"
        case "missing":
            store.delete(key_of(bad))
            reason = "missing"
        case "too large":
            accepted |= {client: accepted[client].model_copy(update={"size": 2**30}) for client in bad}
            reason = "too_large"
    partial = merged(store, accepted)
    assert partial.refused == dict.fromkeys(bad, reason)
    others = merged(store, {client: update for client, update in accepted.items() if client not in bad})
    assert sum_of(partial) == sum_of(others)


def test_one_that_is_replaced_after_it_was_checked_is_not_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "BLOCK_BYTES", BLOCK)
    monkeypatch.setattr(combined_updates, "HELD_BYTES", BLOCK)
    store = Store()
    accepted = put_all(store)
    key = key_of(GROUPS[1])
    store.replaced[key] = -(-store.size(key) // BLOCK) + 3
    with pytest.raises(ReplacedError, match=f"the object {key} was replaced after it was checked"):
        merged(store, accepted)
    assert merged(store, accepted).refused == dict.fromkeys(GROUPS[1], "changed"), "the step that begins again refuses it"


@pytest.mark.parametrize(("held", "most"), [(True, 1.4), (False, 0.5)], ids=["held", "read twice"])
def test_a_large_object_is_not_joined_and_a_larger_one_not_in_memory(
    held: bool, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In sizes of the object, of Python's memory; the sum of the shard is in torch's."""
    block_bytes = 2**17
    monkeypatch.setattr(read_ahead, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(read_ahead, "BYTES_AHEAD", block_bytes)
    monkeypatch.setattr(combined_updates, "HELD_BYTES", 2**30 if held else block_bytes)
    plan = small_plan(delivery="combined", model={"widths": [32, 64, 128, 256]})
    model = network_tensors(initial_network(plan.model, 0))
    start = starting_point(plan, model)
    data = b"".join(folded({COHORT[0]: 1e-4}, start, model).encoded_parts())
    store = Store()
    store.put(key_of([COHORT[0]]), data)
    accepted = {
        client: update.model_copy(update={"started_from": start.model_sha256})
        for client, update in accepted_of(data, [COHORT[0]]).items()
    }
    assert start.trained_form.averaged_values, "the model is opened"
    tracemalloc.start()
    partial = merged(store, accepted, start)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert partial.folded == 1
    assert peak < most * len(data)
