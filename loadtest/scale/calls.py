"""The calls of ledger, broker and store that each piece of a round's work makes, as the services make them.

A call has the name of the port's method, and each takes one trip to Redis or one request to the S3 server, except `put_all`,
which takes one for each object. `tests/scenarios/test_calls_of_a_round.py` counts the calls of the services and compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final

from fedface_core.signing.blocks import BLOCK_BYTES

UPDATES_PER_READ: Final = 500
"""What control reads of the accepted updates at a time."""
_MEGABYTE: Final = 1e6
_ROW_MEGABYTES: Final = 0.001
_RECORD_MEGABYTES: Final = 0.01
_RECORD_OF_A_CLIENT_MEGABYTES: Final = 0.0003


@dataclass(frozen=True)
class Call:
    """A call that is made ``times`` times, each with so many ``units``: clients, messages, objects or megabytes."""

    name: str
    times: int = 1
    units: float = 0.0


@dataclass(frozen=True)
class RoundShape:
    """What a round's calls depend on. Every shard is full."""

    clients: int
    shard_size: int
    update_megabytes: float
    has_rows: bool = True
    """Whether clients read rows of W. If not, each keeps a class embedding of its own, as with `gaussian-negatives`."""
    rows_move: bool = True
    """Whether the reducer moves rows of W, by spreadout. If not, it does not put them again."""

    @property
    def shards(self) -> int:
        """How many shards the cohort has."""
        return ceil(self.clients / self.shard_size)

    @property
    def partial_megabytes(self) -> float:
        """The size of a partial, and of a combined update: numbers of 64 bits where an update has 32."""
        return 2 * self.update_megabytes


def reads(megabytes: float) -> int:
    """How many requests read an object that is read block by block."""
    return max(1, ceil(megabytes * _MEGABYTE / BLOCK_BYTES))


def client_task() -> Iterator[Call]:
    """What a client process asks for in each task."""
    yield Call("round_state")


def opened_round(shape: RoundShape) -> Iterator[Call]:
    """What a client process also asks for in its first task of a round."""
    yield Call("load_round", units=shape.clients)
    yield from model_version(shape)
    if not shape.has_rows:  # the guidance
        yield Call("get", 1, _RECORD_MEGABYTES)


def model_version(shape: RoundShape) -> Iterator[Call]:
    """What any process asks for when it first needs the model version of a round."""
    yield from _read(1, shape.update_megabytes)


def before_training(shape: RoundShape, clients: int, *, combined: bool) -> Iterator[Call]:
    """What clients ask for before they train."""
    yield Call("begin_attempt", clients)
    if not combined:
        yield Call("size", clients)  # is an update of an earlier attempt there?
    yield Call("get", clients, _ROW_MEGABYTES)
    if not shape.has_rows:  # what it kept of its last update, which the ledger and the store's size tell of
        yield Call("accepted", clients, 1)
        yield Call("size", clients)


def delivery(shape: RoundShape, clients: int) -> Iterator[Call]:
    """What clients ask for that deliver by themselves."""
    if not shape.has_rows:
        yield Call("put", clients, _ROW_MEGABYTES)
    yield Call("accepted", clients, 1)  # was another delivery of the task faster?
    yield Call("put", clients, shape.update_megabytes)
    yield Call("accept", clients)


def combined_delivery(shape: RoundShape, clients: int) -> Iterator[Call]:
    """What clients of one shard ask for that are delivered together."""
    yield Call("put", 1, shape.partial_megabytes)
    yield Call("accept_all", 1, clients)


def shard_is_complete() -> Iterator[Call]:
    """What the client that completes a shard asks for."""
    yield Call("publish", 1, 1)


def look_at_shard(shape: RoundShape) -> Iterator[Call]:
    """What an aggregator asks for before it folds a shard, or finds that it is folded already."""
    yield Call("round_state")
    yield Call("accepted", 1, shape.shard_size)
    yield Call("size")


def cohort(shape: RoundShape) -> Iterator[Call]:
    """What an aggregator asks for before it looks at its first shard of a round."""
    yield Call("load_round", units=shape.clients)


def read_updates(objects: int, megabytes: float) -> Iterator[Call]:
    """What an aggregator asks for to sum so many objects of a shard, each of so many megabytes."""
    yield from _read(objects, megabytes)


def put_partial(shape: RoundShape) -> Iterator[Call]:
    """What an aggregator asks for when a shard is summed."""
    if not shape.has_rows:  # what its clients have kept
        yield Call("accepted", 1, shape.shard_size)
    yield Call("put", 1, shape.partial_megabytes)


def record_partial(*, is_last: bool) -> Iterator[Call]:
    """What an aggregator asks for when a shard's partial is stored. The last one has the round reduced."""
    yield Call("record_partial")
    if is_last:
        yield Call("publish", 1, 1)


def gather(shape: RoundShape, partials: int) -> Iterator[Call]:
    """What the reducer asks for before it has the average: so many partials, and what the round started from."""
    yield Call("load_round", units=shape.clients)
    yield Call("accepted", 1, shape.clients)
    yield Call("get", 1, _RECORD_MEGABYTES)  # is the round reduced already?
    if shape.has_rows:
        yield Call("get", 1, shape.clients * _ROW_MEGABYTES)  # W
    else:
        yield Call("read_into", 1, _RECORD_MEGABYTES)  # the class sums
    yield from _read(partials, shape.partial_megabytes)


def put_results(shape: RoundShape) -> Iterator[Call]:
    """What the reducer puts: a claim, the model version, the aggregation; and W if it has moved, whose rows come with
    `put_all`. Without rows it puts the class sums twice, as its state and as guidance.
    """
    yield Call("put", 2, _RECORD_MEGABYTES)
    yield Call("put", 1, shape.update_megabytes)
    if not shape.has_rows:
        yield Call("put", 2, _RECORD_MEGABYTES)
    elif shape.rows_move:
        yield Call("put", 1, shape.clients * _ROW_MEGABYTES)
    yield Call("publish", 1, 1)


def close(shape: RoundShape, unfolded: int) -> Iterator[Call]:
    """What control asks for when all clients have settled. It has the shards folded that are not, or the round reduced."""
    yield Call("load", 2)
    yield Call("load_round", 3, shape.clients)
    yield Call("tally", 3)
    yield Call("save", 1)
    yield Call("touch", 1)
    yield Call("publish", 1, max(1, unfolded))


def take_aggregation(shape: RoundShape) -> Iterator[Call]:
    """What control asks for when the round is reduced. It has the model evaluated."""
    yield Call("load", 2)
    yield Call("load_round", 2, shape.clients)
    yield from _all_accepted(shape)
    yield Call("save", 1)
    yield Call("tally", 1)
    yield Call("touch", 1)
    yield Call("publish", 1, 1)


def evaluate(shape: RoundShape) -> Iterator[Call]:
    """What the evaluator asks for."""
    yield Call("load_round", units=shape.clients)
    yield Call("get", 1, _RECORD_MEGABYTES)  # is the report there?
    yield from model_version(shape)
    yield Call("put", 1, _RECORD_MEGABYTES)
    yield Call("publish", 1, 1)


def finish_and_open(shape: RoundShape, tasks: int) -> Iterator[Call]:
    """What control asks for when the round is scored: it puts the manifest, opens the next round and publishes its tasks.

    Then it removes old updates. Nobody waits for that. Not counted: four trips to the broker for the builds of the workers,
    which the manifest names.
    """
    yield Call("load", 3)
    yield Call("load_round", 3, shape.clients)
    yield Call("failed")
    yield Call("round_summary", 3)
    yield Call("accepted_clients", 2 if shape.has_rows else 3, shape.clients)  # without rows, who kept something
    yield from _all_accepted(shape)
    yield Call("put", 1, shape.clients * _RECORD_OF_A_CLIENT_MEGABYTES)
    yield Call("save")
    yield Call("save_opened", 1, shape.clients)
    yield Call("tally", 1)
    yield Call("tally", 1, shape.clients)
    yield Call("touch")
    yield Call("publish", 1, tasks)


def _read(objects: int, megabytes: float) -> Iterator[Call]:
    of_one = reads(megabytes)
    yield Call("read_into", objects * of_one, megabytes / of_one)


def _all_accepted(shape: RoundShape) -> Iterator[Call]:
    yield Call("accepted_clients", 1, shape.clients)
    yield Call("accepted", ceil(shape.clients / UPDATES_PER_READ), min(shape.clients, UPDATES_PER_READ))
