"""Several clients' training at once, in one process: K copies of the network side by side, in grouped operations.

If a network is small, most of a step is not arithmetic but one small operation after another; here each does the work of
K clients. Every client has its own weights, statistics and loss, so what comes out is what training them in turn gives, but
for rounding: grouped operations add up in another order. So it is off by default, and K is a part of the plan.

K clients, N images of each, C×H×W pixels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from fedface_learning.client.local_training import LocalResult, Measured, Trainee, TrainingRound, train_clients
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.strategies import ClientRound, Tensors, strategy_of

# How grouped convolutions and batched matrix products read their weights, as an order of axes. Of another layout torch
# makes a copy in each step.
_ORDERS: dict[int, tuple[int, ...]] = {4: (0, 2, 3, 1), 2: (1, 0)}


def train_together(trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> list[LocalResult]:
    """What `LocalTrainer.train` gives for each client, within rounding. All have equally many images."""
    return train_clients(_SideBySide(trainer, trainees, training), trainees, training)


class _SideBySide:
    """K clients', as `TraineeNetworks`: copies of the global model, run by `vmap` through one module."""

    fused = True

    def __init__(self, trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> None:
        self.network = trainer.reset()
        self.class_embeddings = torch.stack([trainee.class_embedding_D for trainee in trainees])
        self._copies = {name: _copies(tensor, len(trainees)) for name, tensor in trainer.global_model.items()}
        self.parameters = [self._copies[name].requires_grad_() for name, _ in self.network.named_parameters()]
        self._trainer = trainer
        self._training = training
        self._loss = _Loss(trainer, training)

    def stacked(self, batches: Sequence[Tensor]) -> Tensor:
        """The batches of K clients, (K, N, C, H, W), channels-last with the clients' channels side by side."""
        return torch.stack([each_NCHW.permute(0, 2, 3, 1) for each_NCHW in batches], dim=3).permute(3, 0, 4, 1, 2)

    def losses(self, pixels_KNCHW: Tensor) -> Tensor:
        """See `TraineeNetworks.losses`."""
        losses_K, _ = self._losses_and_features(pixels_KNCHW)
        return losses_K

    def measure(self, pixels_KNCHW: Tensor) -> Measured:
        """See `TraineeNetworks.measure`."""
        self.network.eval()
        with torch.no_grad():
            losses_K, features_KND = self._losses_and_features(pixels_KNCHW)
        return Measured(losses_K.tolist(), features_KND.unbind())

    def client_round(self, index: int) -> ClientRound:
        """See `TraineeNetworks.client_round`."""
        return self._trainer.client_round(self._training, self.class_embeddings[index])

    def model(self, index: int) -> Tensors:
        """See `TraineeNetworks.model`."""
        return {name: _as_usual(copies.detach())[index] for name, copies in self._copies.items()}

    def _losses_and_features(self, pixels_KNCHW: Tensor) -> tuple[Tensor, Tensor]:
        state = {f"network.{name}": _as_usual(copies) for name, copies in self._copies.items()}
        of_each = vmap(lambda *client: functional_call(self._loss, client[0], client[1:]))
        return of_each(state, pixels_KNCHW, self.class_embeddings)  # type: ignore[no-any-return]


class _Loss(nn.Module):
    """One client's loss and features, as `functional_call` needs them: a module whose weights it can exchange."""

    def __init__(self, trainer: LocalTrainer, training: TrainingRound) -> None:
        super().__init__()
        self.network = trainer.network
        self._trainer = trainer
        self._training = training
        self._loss = strategy_of(training.plan).loss

    def forward(self, pixels_NCHW: Tensor, class_embedding_D: Tensor) -> tuple[Tensor, Tensor]:
        features_ND = self.network.embed(pixels_NCHW)
        return self._loss(self._trainer.client_round(self._training, class_embedding_D), features_ND), features_ND


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
