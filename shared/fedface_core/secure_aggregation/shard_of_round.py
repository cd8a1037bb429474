"""The round of a shard as it follows from the records of its run: client, aggregator and control come to the same one."""

from __future__ import annotations

from collections.abc import Mapping

from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundState
from fedface_core.domain.run import Run
from fedface_core.secure_aggregation.derivation import digest
from fedface_core.secure_aggregation.device import DeviceKeys
from fedface_core.secure_aggregation.shard_round import ShardRound


def shard_round_of(run: Run, current: Round, shard: int, keys: Mapping[str, DeviceKeys]) -> ShardRound:
    """The round of a shard, whose members have these public ``keys`` (`domain.masked_phases.members_of_shard`).

    `InvalidInputError` if they are too few to be masked.
    """
    graph = run.plan.mask_graph(len(keys))
    return ShardRound(
        run_id=run.id,
        life=run.correlation_id,
        number=current.number,
        shard=shard,
        basis=basis_of(run.plan, current),
        start=start_of(current),
        members=tuple(keys[client] for client in sorted(keys)),
        degree=graph.degree,
        threshold=graph.threshold,
        signers=graph.signers,
        minimum=run.plan.least_to_unmask(len(keys)),
    )


def start_of(current: RoundState) -> str:
    """The digest of the model version and the guidance that updates of a round start from: what a client itself reads.

    Of one start a client lets one sum be unmasked. So nothing is in it that control could change without a client noticing.
    The anchor is not in it: with a small λ another anchor hardly changes an update, and must open no way to a second sum.
    """
    return digest("start", current.model_sha256, current.guidance_sha256 or "")


def basis_of(plan: Plan, current: RoundState) -> str:
    """The digest of all that the updates of a round are computed from, beside a client's photographs and what it keeps.

    It does not depend on the number of the round: the updates of a round that is retried may be those of the round before.
    """
    results = (
        current.identity_list_sha256,
        current.model_sha256,
        current.class_embeddings_sha256,
        current.server_state_sha256,
        current.guidance_sha256,
    )
    held_to = [] if current.anchor_sha256 is None else [current.anchor_sha256]  # digests of other rounds are as they were
    return digest("basis", plan.model_dump_json(), [sha256 or "" for sha256 in results] + held_to)
