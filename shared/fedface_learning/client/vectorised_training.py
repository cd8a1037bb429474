"""Several clients' training at once, in one process: K copies of the network side by side, in grouped operations.

Where a network is small, most of a step is not arithmetic but one small operation after another; here each does the work of
K clients. Every client has its own weights, statistics and loss, so what comes out is what training them in turn gives, but
for rounding: grouped operations add up in another order. So it is off by default, and K is a part of the plan.

K clients, N images of each, C×H×W pixels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_learning.client.local_training import (
    LocalResult,
    LocalTrainer,
    batches,
    needs_features_after,
    sees_all_as_they_are,
)
from fedface_learning.models.embedding import mean_feature
from fedface_learning.strategies import NOTHING, ClientRound, Tensors, strategy_of

# How grouped convolutions and batched matrix products read their weights, as an order of axes. Of another layout torch
# makes a copy in each step.
_ORDERS: dict[int, tuple[int, ...]] = {4: (0, 2, 3, 1), 2: (1, 0)}


@dataclass(frozen=True)
class Trainee:
    """A client that trains beside others of as many images."""

    images_NCHW: Tensor
    class_embedding_D: Tensor
    seed: int


def train_together(
    trainer: LocalTrainer, trainees: Sequence[Trainee], plan: Plan, number: int, guidance: Tensors = NOTHING
) -> list[LocalResult]:
    """What `LocalTrainer.train` gives for each, within rounding. All have equally many images."""
    network, strategy, local = trainer.reset(), strategy_of(plan), plan.local_training
    steps, (rate_share, _) = local.steps_in(number, plan.rounds), plan.rate_shares(number)
    own_KD = torch.stack([trainee.class_embedding_D for trainee in trainees])
    at_hand = ClientRound(plan, number, network, own_KD, trainer.global_model, guidance)
    laid = {name: _copies(tensor, len(trainees)) for name, tensor in trainer.global_model.items()}
    pixels = [network.pixels(trainee.images_NCHW) for trainee in trainees]
    pixels_KNCHW, images_NCHW = _stacked(pixels), trainees[0].images_NCHW
    model = _Loss(at_hand)

    def losses_and_features(batch_KNCHW: Tensor) -> tuple[Tensor, Tensor]:
        state = {f"network.{name}": _as_usual(tensor) for name, tensor in laid.items()}
        return vmap(lambda *client: functional_call(model, client[0], client[1:]))(state, batch_KNCHW, own_KD)  # type: ignore[no-any-return]

    def measured() -> tuple[list[float], Tensor]:
        network.eval()
        with torch.no_grad():
            losses_K, features_KND = losses_and_features(pixels_KNCHW)
        return losses_K.tolist(), features_KND

    before = None if trainer.first_loss_is_before(local, steps, images_NCHW) else measured()[0]
    weights = [laid[name].requires_grad_() for name, _ in network.named_parameters()]
    groups = [{"params": weights, "lr": local.learning_rate * rate_share}]
    own_rate = strategy.class_embedding_rate(plan)
    if own_rate is not None:
        groups.append({"params": [own_KD.requires_grad_()], "lr": own_rate * rate_share})
    optimiser = torch.optim.SGD(groups, momentum=local.momentum, fused=True)
    latest_K: list[float] = []
    network.train(trainer.normalises_by_batch(local, images_NCHW))
    drawn = [batches(each, local, steps, trainee.seed) for each, trainee in zip(pixels, trainees, strict=True)]
    for batch in zip(*drawn, strict=True):
        optimiser.zero_grad()
        losses_K, _ = losses_and_features(pixels_KNCHW if sees_all_as_they_are(local, images_NCHW) else _stacked(batch))
        torch.autograd.backward(losses_K.sum())
        optimiser.step()
        if own_rate is not None:
            own_KD.data.copy_(normalize(own_KD.data, dim=1))
        latest_K = losses_K.tolist()
        before = latest_K if before is None else before
    assert before is not None
    own_KD.requires_grad_(False)
    models = [{name: _as_usual(tensor.detach())[index] for name, tensor in laid.items()} for index in range(len(trainees))]
    seen = local.reports_what_it_sees(steps)
    if seen and not needs_features_after(plan):
        return [LocalResult(*of_one, NOTHING) for of_one in zip(before, latest_K, models, strict=True)]
    measured_K, features_KND = measured()
    after = latest_K if seen else measured_K

    def result(index: int) -> LocalResult:
        features_ND, mine = features_KND[index], models[index]
        uploads = strategy.uploads(replace(at_hand, class_embedding_D=own_KD[index]), features_ND)
        if network.plan.centring and steps:
            mine["centre"].copy_(mean_feature(features_ND))
        return LocalResult(before[index], after[index], mine, uploads)

    return [result(index) for index in range(len(trainees))]


class _Loss(nn.Module):
    """One client's loss and features, as `functional_call` needs them: a module whose weights it can exchange."""

    def __init__(self, at_hand: ClientRound) -> None:
        super().__init__()
        self.network = at_hand.network
        self._at_hand = at_hand
        self._loss = strategy_of(at_hand.plan).loss

    def forward(self, pixels_NCHW: Tensor, class_embedding_D: Tensor) -> tuple[Tensor, Tensor]:
        features_ND = self.network.embed(pixels_NCHW)
        return self._loss(replace(self._at_hand, class_embedding_D=class_embedding_D), features_ND), features_ND


def _copies(tensor: Tensor, count: int) -> Tensor:
    """A copy for each client, (K, …), contiguous in the order of axes above."""
    laid = tensor.permute(_order(tensor.dim()))
    return laid.expand(count, *laid.shape).clone(memory_format=torch.contiguous_format)


def _as_usual(copies: Tensor) -> Tensor:
    """The same memory, with the axes of each copy in their usual order."""
    order = _order(copies.dim() - 1)
    return copies.permute(0, *(1 + order.index(axis) for axis in range(len(order))))


def _order(axes: int) -> tuple[int, ...]:
    return _ORDERS.get(axes, tuple(range(axes)))


def _stacked(pixels: Sequence[Tensor]) -> Tensor:
    """The batches of K clients, (K, N, C, H, W), channels-last with the clients' channels side by side."""
    return torch.stack([each_NCHW.permute(0, 2, 3, 1) for each_NCHW in pixels], dim=3).permute(3, 0, 4, 1, 2)
