"""Updates of the clients of a shard whose class embeddings stay with them, made up: what they add up to is what counts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation import PARTIALS, EnrolmentPartial, Partial, StartingPoint
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER, on_the_grid
from fedface_learning.strategies.mean_embeddings import MEAN_EMBEDDING
from fedface_learning.updates.class_parts import encode_kept
from fedface_learning.updates.form import in_one_block
from support.server_rounds import starting_point
from support.small_networks import MOBILE

STEPS = 3
DIMENSIONS = 16


@lru_cache
def masked_plan() -> Plan:
    """A plan with masks, of a network with BatchNorm."""
    return Plan.model_validate(
        {
            "model": MOBILE | {"embedding_size": DIMENSIONS},
            "strategy": "gaussian-negatives",
            "split": {"clients": 20, "test": 2},
            "cohort": {"shard_size": 20, "minimum": 1},
            "local_training": {"steps": STEPS},
            "data": {"dataset": "synthetic", "images_per_identity": 12},
            "secure_aggregation": {},
        }
    )


def enrolments(seed: int, clients: int) -> dict[str, Update]:
    """Client → its update at enrolment."""
    draws = torch.Generator().manual_seed(seed)
    return {client_id(index): _enrolment(draws) for index in range(clients)}


def _enrolment(draws: torch.Generator) -> Update:
    own_D = on_the_grid(torch.randn(DIMENSIONS, generator=draws))
    residual = encode_kept(own_D)
    metadata: dict[str, Any] = {"images": _images(draws), "residual_sha256": sha256_hex(residual)}
    return _update({MEAN_EMBEDDING: own_D}, metadata, residual)


def trainings(seed: int, clients: int, size: float = 1.0) -> tuple[StartingPoint, dict[str, Update]]:
    """Where a round begins, and client → its update, whose change has about this ``size``."""
    plan = masked_plan()
    model = network_tensors(initial_network(plan.model, plan.seed))
    start = starting_point(plan, model)
    draws = torch.Generator().manual_seed(seed)
    kept: dict[str, str] = {}
    updates = {}
    for client in map(client_id, range(clients)):
        before_D, after_D = (on_the_grid(torch.randn(DIMENSIONS, generator=draws)) for _ in range(2))
        kept[client] = sha256_hex(encode_kept(before_D))
        residual = encode_kept(after_D)
        metadata = {
            "images": _images(draws),
            "loss_before": float(torch.randn((), generator=draws)) * 10,
            "loss_after": float(torch.rand((), generator=draws)) * 1e6,
            "started_from": start.model_sha256,
            "residual_sha256": sha256_hex(residual),
        }
        moved = {
            name: (
                tensor + size * 1e-3 * torch.rand(tensor.shape, generator=draws)
                if tensor.is_floating_point()
                else tensor + STEPS
            )
            for name, tensor in model.items()
        }
        updates[client] = _update({**moved, BEFORE_AND_AFTER: torch.stack([before_D, after_D])}, metadata, residual)
    return StartingPoint(plan, start.model_sha256, start.open_model, kept=kept), updates


def folded(updates: Mapping[str, Update], start: StartingPoint | None, number: int) -> Partial:
    """The partial of these updates without masks."""
    partial = PARTIALS[RoundKind.of(number)]()
    start = start or enrolment_start()
    for client, update in updates.items():
        partial.fold(client, update.accepted, in_one_block(update.data), start)
    assert not partial.refused, partial.details
    return partial


def enrolment_start() -> StartingPoint:
    """Where enrolment begins: no update is compared with the model."""

    def refuse_to_open() -> Any:
        raise AssertionError("the model was opened")

    return StartingPoint(masked_plan(), "a" * 64, refuse_to_open)


def without_names(partial: EnrolmentPartial) -> EnrolmentPartial:
    """The partial as if its updates had been masked: it names nobody."""
    return EnrolmentPartial(
        unnamed_clients=partial.folded, unnamed_images=partial.enrolled_images, size=partial.size, sums=partial.sums
    )


def _images(draws: torch.Generator) -> int:
    return int(torch.randint(1, 13, (), generator=draws))


def _update(tensors: Mapping[str, torch.Tensor], metadata: dict[str, Any], residual: bytes) -> Update:
    data = encode_tensors(tensors, metadata)
    accepted = AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
    return Update(data, accepted, residual)
