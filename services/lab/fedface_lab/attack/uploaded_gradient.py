"""The gradient in a client's update, and in the sum of a shard's updates.

With one step of SGD, whose momentum starts at zero, a client uploads f − η∇L: who knows f and η has ∇L.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.domain.round_kind import RoundKind
from fedface_lab.attack.similarity import WINDOW
from fedface_lab.attack.stored_round import StoredRound
from fedface_learning.strategies import Tensors


def check_invertible(plan: Plan, opened_round: Round) -> None:
    """`InvalidInputError`, which says why, if the updates of the round hold no gradient."""
    number = opened_round.number
    if min(plan.model.height, plan.model.width) < WINDOW:
        raise InvalidInputError(f"images of {plan.model.width}×{plan.model.height} pixels are too small to compare by SSIM")
    if opened_round.kind is RoundKind.ENROLMENT:
        raise InvalidInputError("round 0 is enrolment: its updates are mean embeddings, and hold no gradient")
    steps = plan.local_training.steps_in(number, plan.rounds)
    if steps != 1:
        raise InvalidInputError(
            f"clients of round {number} took {steps} steps: the sum of their gradients, each by other weights, is not what "
            "this attack inverts; take a run with local_training.steps = 1"
        )
    if plan.update_encoding.name != "float32":
        raise InvalidInputError(
            f"the updates are encoded as {plan.update_encoding.name}, which leaves a part of each gradient out; take a run "
            'with update_encoding = "float32"'
        )
    if plan.delivery == "combined":
        raise InvalidInputError(
            'with delivery = "combined" a worker uploads the sum of what its clients contribute, and the store has no '
            'update of one client; take a run with delivery = "single"'
        )
    if plan.secure_aggregation is not None:
        raise InvalidInputError("the updates are masked: one of them looks random, and its shard's sum is in the partial")
    if plan.aggregation.mode == "asynchronous":
        raise InvalidInputError("in an asynchronous run the updates of a round start from several models; take another run")
    share, _ = plan.rate_shares(number)
    if plan.local_training.learning_rate * share == 0:
        raise InvalidInputError(
            f"the learning rate of round {number} is 0: its updates are the model that they started from"
        )


def gradient_of(stored: StoredRound, client: str, parameters: Sequence[str]) -> list[Tensor]:
    """The gradient of the client's loss by each of these parameters, but for rounding."""
    return _per_rate(stored, _change(stored.update(client), stored.global_model(), parameters))


def gradient_of_sum(stored: StoredRound, client: str, parameters: Sequence[str]) -> tuple[list[Tensor], int]:
    """What secure aggregation would leave: the gradient of the mean loss over the shard, and how many clients it is of."""
    opened = stored.manifest.round
    shard = opened.shard_of_each()[client]
    members = [member for member in opened.shard_members(shard) if member in stored.manifest.accepted]
    base = stored.global_model()
    total = [torch.zeros_like(base[name]) for name in parameters]
    images = 0
    for member in members:
        weight = stored.manifest.accepted[member].declared_images
        images += weight
        for part, change in zip(total, _change(stored.update(member), base, parameters), strict=True):
            part += weight * change
    return _per_rate(stored, [part / images for part in total]), len(members)


def _change(update: Tensors, base: Tensors, parameters: Sequence[str]) -> list[Tensor]:
    return [update[name] - base[name] for name in parameters]


def _per_rate(stored: StoredRound, changes: Sequence[Tensor]) -> list[Tensor]:
    plan = stored.manifest.run.plan
    share, _ = plan.rate_shares(stored.manifest.round.number)
    return [change / -(plan.local_training.learning_rate * share) for change in changes]
