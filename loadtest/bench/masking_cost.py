"""What secure aggregation costs: processor time and bytes of each client, and of the aggregator for each client."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from fedface_core.domain.mask_graph import Against, GraphParameters, choose_parameters
from fedface_core.secure_aggregation.accepted_set import AcceptedSet
from fedface_core.secure_aggregation.masking_client import Mask, commit_to
from fedface_core.secure_aggregation.recovery import masks_in_sum
from fedface_learning.masking import add_masks, remove_masks
from loadtest.bench.masked_group import MaskedGroup
from loadtest.bench.report import BenchmarkReport

CORRUPT: Final = 0.2
"""The share of a shard that colludes with the aggregator."""
DROPOUT: Final = 0.3
"""The share of a shard that may drop out, in all phases together."""
DROPPED_IN_A_PHASE: Final = 0.1
"""The share of a shard that does drop out in each phase: while keys are shared, while updates are masked, and after that."""
Made = TypeVar("Made")
_MINIMUM: Final = 8
_MASKED: Final = 4
"""How many clients mask a vector: each takes as long as the others."""


class VectorCost(BaseModel):
    """What it costs to mask vectors of one length. Times are milliseconds of processor time for each client."""

    model_config = ConfigDict(frozen=True)

    parameters: int
    mask_ms: float
    """On the client: all its masks."""
    remove_ms: float
    """On the aggregator: what is left of masks in the sum."""
    masked_bytes: int
    plain_bytes: int


class MaskingCost(BaseModel):
    """What the keys of a shard cost. Times are milliseconds of processor time, bytes are of objects, for each client."""

    model_config = ConfigDict(frozen=True)

    clients: int
    graph: GraphParameters
    share_ms: float
    """On the client: keys, shares and seals of a key bundle."""
    agree_ms: float
    """On the client: check what its neighbours sent, and agree on masks."""
    reveal_ms: float
    """On the client: open and reveal shares, and sign."""
    roster_ms: float
    """On the aggregator: check bundles, close the roster, hand shares on."""
    recover_ms: float
    """On the aggregator: recover secrets, and agree on the masks of those who dropped out."""
    bundle_bytes: int
    received_bytes: int
    revealed_bytes: int
    vectors: tuple[VectorCost, ...]


class MaskingReport(BenchmarkReport):
    """What `fedface bench secure-aggregation` reports."""

    against: Against
    costs: tuple[MaskingCost, ...]


def measure_cost(clients: int, parameters: Sequence[int], against: Against) -> MaskingCost:
    """Carry out a round of one shard in this process, with a tenth of its clients dropping out in each phase."""
    graph = choose_parameters(clients, CORRUPT, DROPOUT, against)
    group = MaskedGroup.of(clients, graph, minimum=min(_MINIMUM, clients // 2))
    names = list(group.devices)
    dropped = int(DROPPED_IN_A_PHASE * clients)
    bundles, share_ms = _timed(lambda: group.share_keys(names[dropped:]), clients - dropped)
    (roster, received), roster_ms = _timed(lambda: group.close_roster(bundles), clients)
    stay = names[2 * dropped :]
    masks, agree_ms = _timed(
        lambda: {client: group.masks_of(client, roster, received[client]) for client in stay}, len(stay)
    )
    accepted = AcceptedSet(
        shard_round=group.shard_round.digest, roster=roster.digest, updates=dict.fromkeys(stay, "0" * 64)
    )  # digests of no vector: here only times count
    for client in stay:
        commit_to(group.journals[client], group.shard_round, roster, "0" * 64)
    reveal = names[3 * dropped :]
    signatures = {client: group.sign(client, roster, accepted) for client in reveal if graph.signers}
    revealed, reveal_ms = _timed(
        lambda: [group.reveal(client, roster, received[client], accepted, signatures) for client in reveal], len(reveal)
    )
    left, recover_ms = _timed(lambda: masks_in_sum(group.shard_round, roster, bundles, accepted, revealed), clients)
    own_masks = [masks[client] for client in stay[:_MASKED]]
    return MaskingCost(
        clients=clients,
        graph=graph,
        share_ms=share_ms,
        agree_ms=agree_ms,
        reveal_ms=reveal_ms,
        roster_ms=roster_ms,
        recover_ms=recover_ms,
        bundle_bytes=_mean_bytes(list(bundles.values())),
        received_bytes=_mean_bytes(list(received.values())),
        revealed_bytes=_mean_bytes(revealed),
        vectors=tuple(_vector_cost(length, own_masks, left, clients) for length in parameters),
    )


def _vector_cost(parameters: int, own: Sequence[Sequence[Mask]], left: Sequence[Mask], clients: int) -> VectorCost:
    vector = np.zeros(parameters, dtype=np.uint64)

    def mask() -> None:
        for of_client in own:
            add_masks(vector, of_client)

    _, mask_ms = _timed(mask, len(own))
    _, remove_ms = _timed(lambda: remove_masks(vector, left), clients)
    return VectorCost(
        parameters=parameters,
        mask_ms=mask_ms,
        remove_ms=remove_ms,
        masked_bytes=vector.nbytes,
        plain_bytes=parameters * np.dtype(np.float32).itemsize,
    )


def _timed(work: Callable[[], Made], clients: int) -> tuple[Made, float]:
    """What the work gives, and its milliseconds of processor time for each of so many clients."""
    start = time.process_time()
    made = work()
    return made, 1000 * (time.process_time() - start) / clients


def _mean_bytes(objects: Sequence[BaseModel]) -> int:
    return round(sum(len(each.model_dump_json()) for each in objects) / len(objects))
