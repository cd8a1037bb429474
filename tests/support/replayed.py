"""What the accepted sets of a run come to, by the rules alone: in one process, without the services."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import Tensor

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_learning.aggregation.gathered import Gathered
from fedface_learning.data import open_photographs, split_identities
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.models import initial_network
from fedface_learning.simulation.federated_rounds import _train, enrol_everyone, round_zero
from support.in_process import InProcess


def accepted_sets(services: InProcess, run_id: str) -> list[tuple[int, tuple[str, ...]]]:
    """Number and accepted set of each training round that finished."""
    ledger = services.ports.ledger
    finished = [done.number for done in ledger.rounds(run_id) if done.phase is RoundPhase.FINISHED and done.number > 0]
    return [(number, tuple(ledger.accepted(run_id, number))) for number in finished]


def replayed(plan: Plan, accepted: Iterable[tuple[int, tuple[str, ...]]]) -> str:
    """The model version's SHA-256. One shard a round: the sums of several would part where a cohort's members do."""
    network, opened = initial_network(plan.model, plan.seed), open_photographs(plan)
    split = split_identities(opened.identities, plan.split)
    images = {client_id(index): opened.images(identity) for index, identity in enumerate(split.clients)}
    start = round_zero(plan, network, Gathered(opened, split, images, lambda _number: False))
    reduced, residuals = enrol_everyone(images, start), dict[str, Tensor]()
    for number, clients in accepted:
        assert len(clients) <= plan.cohort.shard_size
        rows_CD = decode_class_embeddings(reduced.class_embeddings, plan.model.embedding_size)
        before = replace(start, number=number, class_embeddings_CD=rows_CD)
        reduced = _train({client: images[client] for client in clients}, before, reduced, residuals)
    return reduced.aggregation.model_sha256
