"""Vectorised local training: K clients train at once in one process, in K copies of the network (ADR 18).

In a small network, most time of a step goes into starting many small operations. Here each operation does the work of K
clients. Every client has its own weights, statistics and loss, so the results differ from training one client at a time by
rounding only, because grouped operations add in another order. Because of the rounding, vectorised training is off by
default, and K is a part of the plan.

K clients, N images of each, C×H×W pixels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from fedface_learning.client.local_training import LocalResult, Measurement, Trainee, TrainingRound, train_clients
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.strategies import ClientRound, Tensors, strategy_of

# Number of axes of a weight → the order of axes in which grouped convolutions and batched matrix products read it. Torch
# would copy a weight of another layout in each step.
_AXIS_ORDERS: dict[int, tuple[int, ...]] = {4: (0, 2, 3, 1), 2: (1, 0)}


def train_vectorised(trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> list[LocalResult]:
    """Train K clients at once; the results equal those of `LocalTrainer.train` but for rounding.

    All clients must have equally many images.
    """
    return train_clients(_VectorisedNetworks(trainer, trainees, training), trainees, training)


class _VectorisedNetworks:
    """The `TraineeNetworks` of K clients: K copies of the global model, which `vmap` runs through one module."""

    fused = True

    def __init__(self, trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> None:
        self.network = trainer.reset()
        self.class_embeddings = torch.stack([trainee.class_embedding_D for trainee in trainees])
        self._copies = {name: _copies(tensor, len(trainees)) for name, tensor in trainer.global_model.items()}
        self.parameters = [self._copies[name].requires_grad_() for name, _ in self.network.named_parameters()]
        self._trainer = trainer
        self._training = training
        self._loss = _Loss(trainer, training)

    def stack(self, batches: Sequence[Tensor]) -> Tensor:
        """The batches of K clients as one tensor (K, N, C, H, W).

        In memory the order of axes is N, H, W, K, C: channels last, with the channels of all clients next to each other.
        """
        return torch.stack([each_NCHW.permute(0, 2, 3, 1) for each_NCHW in batches], dim=3).permute(3, 0, 4, 1, 2)

    def losses(self, pixels_KNCHW: Tensor) -> Tensor:
        """The mean loss of each client on its batch (K,), with gradients. The batches are of shape (K, N, C, H, W)."""
        losses_K, _ = self._losses_and_features(pixels_KNCHW)
        return losses_K

    def measure(self, pixels_KNCHW: Tensor) -> Measurement:
        """Losses and raw features of all images (K, N, C, H, W), in evaluation mode, without gradients."""
        self.network.eval()
        with torch.no_grad():
            losses_K, features_KND = self._losses_and_features(pixels_KNCHW)
        return Measurement(losses_K.tolist(), features_KND.unbind())

    def client_round(self, index: int) -> ClientRound:
        """What the strategy sees of the client with this index."""
        return self._trainer.client_round(self._training, self.class_embeddings[index])

    def model(self, index: int) -> Tensors:
        """The parameters and buffers of the client with this index, by name. They share memory with its copy."""
        return {name: _in_usual_order(copies.detach())[index] for name, copies in self._copies.items()}

    def _losses_and_features(self, pixels_KNCHW: Tensor) -> tuple[Tensor, Tensor]:
        state = {f"network.{name}": _in_usual_order(copies) for name, copies in self._copies.items()}
        of_each_client = vmap(lambda state, *inputs: functional_call(self._loss, state, inputs))
        return of_each_client(state, pixels_KNCHW, self.class_embeddings)  # type: ignore[no-any-return]


class _Loss(nn.Module):
    """One client's loss and raw features, as a module, so that `functional_call` can replace its weights."""

    def __init__(self, trainer: LocalTrainer, training: TrainingRound) -> None:
        super().__init__()
        self.network = trainer.network
        self._trainer = trainer
        self._training = training
        self._loss = strategy_of(training.plan).loss

    def forward(self, pixels_NCHW: Tensor, class_embedding_D: Tensor) -> tuple[Tensor, Tensor]:
        features_ND = self.network.features_of_pixels(pixels_NCHW)
        return self._loss(self._trainer.client_round(self._training, class_embedding_D), features_ND), features_ND


def _copies(tensor: Tensor, count: int) -> Tensor:
    """``count`` copies (K, …) of a tensor, contiguous, with axes in the order of `_AXIS_ORDERS`."""
    permuted = tensor.permute(_axis_order(tensor.dim()))
    return permuted.expand(count, *permuted.shape).clone(memory_format=torch.contiguous_format)


def _in_usual_order(copies: Tensor) -> Tensor:
    """A view of the copies (K, …) in which the axes of each copy are in their usual order."""
    order = _axis_order(copies.dim() - 1)
    return copies.permute(0, *(1 + order.index(axis) for axis in range(len(order))))


def _axis_order(axes: int) -> tuple[int, ...]:
    return _AXIS_ORDERS.get(axes, tuple(range(axes)))
