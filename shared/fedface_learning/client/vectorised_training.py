"""Vectorised local training: K clients train at once in one process, in K copies of the network (ADR 18, ADR 43).

In a small network, most time of a step goes into starting many small operations. Here each operation does the work of K
clients. Every client has its own weights, statistics and loss, so the results differ from training one client at a time by
rounding only, because grouped operations add in another order. Because of the rounding, vectorised training is off by
default, and K is a part of the plan.

*A client's bits do not depend on who trains beside it.* Kernels choose how to add by the shape of what they are given, and
within it by the place: on a CPU the last channels, which do not fill a vector of the processor, are added in another order.
So a group always has K places, a client's place follows from its place in the cohort, and the number of images there from
the plan or from the client alone. A place without a client trains another one once more, for nothing; a client with fewer
images than its place gets some of its own again, with the weight 0 in its loss.

K clients, N images of each, C×H×W pixels, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from fedface_core.domain.device_kinds import CUDA
from fedface_learning.client.convolutions_as_products import ConvolutionsAsProducts
from fedface_learning.client.gradient_steps import take_steps
from fedface_learning.client.local_training import LocalResult, Measurement, Trainee, TrainingRound, train_clients
from fedface_learning.client.recorded_step import RecordedSteps
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.device import making_tensors_on, moved
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.strategies import ClientRound, Tensors
from fedface_learning.strategies.anchored_loss import anchored_embeddings, client_loss
from fedface_learning.updates.trained import TrainedModels

# Number of axes of a weight → the order of axes in which grouped convolutions and batched matrix products read it. Torch
# would copy a weight of another layout in each step.
_AXIS_ORDERS: dict[int, tuple[int, ...]] = {4: (0, 2, 3, 1), 2: (1, 0)}


def image_places(network: EmbeddingNetwork, training: TrainingRound, images: int) -> int:
    """How many images the place of a client with ``images`` images has. Clients with equal answers can train at once.

    If the plan bounds the images of a client, every place has so many. A network with BatchNorm takes no image twice, since
    its statistics would count it twice: a place then has as many images as the client.
    """
    bound = training.plan.data.images_per_client
    return images if bound is None or images > bound or network.has_batch_norm else bound


def place_of(trainee: Trainee, training: TrainingRound) -> int:
    """The client's place among those that train at once, from 0 to K − 1."""
    return trainee.place % training.plan.local_training.vectorised_clients


def train_vectorised(trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> list[LocalResult]:
    """Train up to K clients at once; the results equal those of `LocalTrainer.train` but for rounding.

    `image_places` must be equal for all clients, and `place_of` different. The result of a client does not depend on the
    others, to the bit.
    """
    places = training.plan.local_training.vectorised_clients
    by_place = {place_of(trainee, training): trainee for trainee in trainees}
    assert len(by_place) == len(trainees), "two clients with one place"
    filled = [by_place.get(place, trainees[0]) for place in range(places)]
    results = train_clients(VectorisedNetworks(trainer, filled, training), filled, training)
    return [results[place_of(trainee, training)] for trainee in trainees]


@dataclass(frozen=True)
class StackedBatches:
    """A batch of K clients. In memory the order of axes is N, H, W, K, C: the channels of all clients next to each other.

    Where convolutions are computed as products, it is K, N, H, W, C.
    """

    pixels_KNCHW: Tensor
    anchored_KND: Tensor | None
    """The unit embeddings (K, N, D) by the anchor; None if there is none, or if no loss is computed of the batches."""
    weights_KN: Tensor | None
    """The weight of each image in its client's loss; None if all weigh alike."""
    images: tuple[int, ...]
    """How many images each client has. Those that fill its place come after them."""

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for batches on which a step is the same computation."""
        return tuple(self.pixels_KNCHW.shape), self.anchored_KND is None, self.weights_KN is None

    def clone(self) -> StackedBatches:
        """A copy, with memory of its own."""
        anchored_KND = None if self.anchored_KND is None else self.anchored_KND.clone()
        weights_KN = None if self.weights_KN is None else self.weights_KN.clone()
        return StackedBatches(self.pixels_KNCHW.clone(), anchored_KND, weights_KN, self.images)

    def copy_(self, other: StackedBatches) -> None:
        """Take all tensors of batches of equal signature. What is asked of `images` stays as it was."""
        self.pixels_KNCHW.copy_(other.pixels_KNCHW)
        if self.anchored_KND is not None and other.anchored_KND is not None:
            self.anchored_KND.copy_(other.anchored_KND)
        if self.weights_KN is not None and other.weights_KN is not None:
            self.weights_KN.copy_(other.weights_KN)

    def own(self, features_KND: Tensor) -> list[Tensor]:
        """Of the features (K, N, D) of all images, those of each client's own images."""
        return [each_ND[:count] for each_ND, count in zip(features_KND, self.images, strict=True)]


class VectorisedNetworks:
    """The `TraineeNetworks` of K clients: K copies of the global model, which `vmap` runs through one module."""

    fused = True

    def __init__(self, trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> None:
        self.network = trainer.reset()
        self._as_products = trainer.device.type == CUDA
        self.images = image_places(self.network, training, len(trainees[0].images_NCHW))
        rows_KD = torch.stack([trainee.class_embedding_D for trainee in trainees])
        self.class_embeddings = moved(rows_KD, trainer.device)
        self.former_class_embeddings = self.class_embeddings.clone()
        self._weighted = training.plan.data.images_per_client is not None and not self.network.has_batch_norm
        self.stacked = {name: _stacked(tensor, len(trainees)) for name, tensor in trainer.global_model.items()}
        """Name → the K copies (K, …) of a parameter or buffer, in memory as `_stacked` lays them."""
        self.parameters = [self.stacked[name].requires_grad_() for name, _ in self.network.named_parameters()]
        self._device = trainer.device
        self._anchor = training.anchor
        self.recorded_steps = trainer.recorded_steps
        self.around = trainer.client_round(training, self.class_embeddings, self.former_class_embeddings)
        self._features = _Features(trainer.network)

    def stack(self, batches: Sequence[Tensor], places: int, *, for_loss: bool) -> StackedBatches:
        """The batches of K clients, each filled up to so many ``places`` with images of its own.

        The embeddings of all images by the anchor come along if they are stacked ``for_loss``.
        """
        images = tuple(len(each_NCHW) for each_NCHW in batches)
        filled = [each_NCHW if len(each_NCHW) == places else _filled(each_NCHW, places) for each_NCHW in batches]
        if len({each_NCHW.device for each_NCHW in filled}) > 1:  # the device had no room for the images of all
            filled = [moved(each_NCHW, self._device) for each_NCHW in filled]
        pixels_NCHW = self.network.pixels(torch.cat(filled))
        anchored_KND = None
        if for_loss and self._anchor is not None:
            anchored_KND = anchored_embeddings(self._anchor, pixels_NCHW).view(len(filled), places, -1)
        pixels_KNCHW = pixels_NCHW.view(len(filled), places, *pixels_NCHW.shape[1:])
        if not self._as_products:
            pixels_KNCHW = pixels_KNCHW.permute(1, 3, 4, 0, 2).contiguous().permute(3, 0, 4, 1, 2)
        if not self._weighted:
            return StackedBatches(pixels_KNCHW, anchored_KND, None, images)
        counts_K1 = torch.tensor(images).unsqueeze(1)
        weights_KN = (torch.arange(places) < counts_K1) / counts_K1
        return StackedBatches(pixels_KNCHW, anchored_KND, moved(weights_KN, self._device), images)

    def take_steps(self, inputs: Iterable[StackedBatches], training: TrainingRound) -> list[Tensor]:
        """Take a gradient step on each of the inputs; return the losses of each step (K,)."""
        if self._device.type == CUDA:
            return self.recorded_steps.take(self, inputs, training)
        return take_steps(self, inputs, training)

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for networks of one plan and trainer whose steps are the same computation on tensors of other values.

        A number in the guidance may decide what is computed, so it counts with its value.
        """
        guidance = (
            (name, tuple(tensor.shape), tensor.dtype, None if tensor.dim() else tensor.item())
            for name, tensor in sorted(self.around.guidance.items())
        )
        return self.network.training, *guidance

    def clone(self) -> VectorisedNetworks:
        """A copy of everything that a step reads or changes, with memory of its own."""
        made = copy(self)
        made.recorded_steps = RecordedSteps()  # a recording must not hold the recordings that it is among
        made.stacked = {name: tensor.detach().clone() for name, tensor in self.stacked.items()}
        made.parameters = [made.stacked[name].requires_grad_() for name, _ in self.network.named_parameters()]
        made.former_class_embeddings = self.former_class_embeddings.clone()
        made.class_embeddings = self.class_embeddings.clone()
        around = self.around
        made.around = replace(around, global_model=_clones(around.global_model), guidance=_clones(around.guidance))
        return made

    @torch.no_grad()
    def copy_(self, other: VectorisedNetworks) -> None:
        """Take the values of everything that a step reads or changes from networks of equal signature."""
        self.copy_trained_(other)
        self.former_class_embeddings.copy_(other.former_class_embeddings)
        for ours, theirs in (
            (self.around.global_model, other.around.global_model),
            (self.around.guidance, other.around.guidance),
        ):
            for name, tensor in ours.items():
                tensor.copy_(theirs[name])

    @torch.no_grad()
    def copy_trained_(self, other: VectorisedNetworks) -> None:
        """Take the values of everything that a step changes from networks of equal signature."""
        for name, copies in self.stacked.items():
            copies.copy_(other.stacked[name])
        self.class_embeddings.copy_(other.class_embeddings)

    def losses(self, batches: StackedBatches) -> Tensor:
        """The mean loss of each client on its batch (K,), with gradients."""
        losses_K, _ = self._losses_and_features(batches)
        return losses_K

    def features(self, batches: StackedBatches) -> Sequence[Tensor]:
        """The raw features (N, D) of the images of each client, in evaluation mode, without gradients."""
        self.network.eval()
        with torch.no_grad():
            features_KND = self._of_each_client(self._features, (0, 0), batches.pixels_KNCHW)
        return batches.own(features_KND)

    def measure(self, batches: StackedBatches) -> Measurement:
        """Losses and raw features of the images of all clients, in evaluation mode, without gradients."""
        self.network.eval()
        with torch.no_grad():
            losses_K, features_KND = self._losses_and_features(batches)
        return Measurement(losses_K, batches.own(features_KND))

    def client_round(self, index: int) -> ClientRound:
        """What the strategy sees of the client with this index."""
        return _of_client(self.around, self.class_embeddings[index], self.former_class_embeddings[index])

    def models(self) -> TrainedModels:
        """The parameters and buffers of each client. They share memory with `stacked`."""
        return TrainedModels({name: _in_usual_order(copies.detach()) for name, copies in self.stacked.items()})

    def _losses_and_features(self, batches: StackedBatches) -> tuple[Tensor, Tensor]:
        inputs = (
            batches.pixels_KNCHW,
            batches.anchored_KND,
            self.class_embeddings,
            self.former_class_embeddings,
            batches.weights_KN,
        )
        in_dims = (0, *(None if tensor is None else 0 for tensor in inputs))
        return self._of_each_client(_Loss(self.around), in_dims, *inputs)  # type: ignore[no-any-return]

    def _of_each_client(self, module: nn.Module, in_dims: tuple[int | None, ...], *inputs: Tensor | None) -> Any:
        """What the module, whose network gets the weights of each client, gives for each client's part of the inputs."""
        state = {f"network.{name}": _in_usual_order(copies) for name, copies in self.stacked.items()}
        of_each_client = vmap(lambda state, *inputs: functional_call(module, state, inputs), in_dims=in_dims)
        convolutions = ConvolutionsAsProducts() if self._as_products else nullcontext()
        with making_tensors_on(self._device), convolutions:
            return of_each_client(state, *inputs)


class _Features(nn.Module):
    """One client's raw features, as a module, so that `functional_call` can replace its weights."""

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        return self.network.features_of_pixels(pixels_NCHW)


class _Loss(nn.Module):
    """One client's loss and raw features, as a module, so that `functional_call` can replace its weights."""

    def __init__(self, around: ClientRound) -> None:
        """``around`` is what the strategy sees of every client, but for the class embeddings."""
        super().__init__()
        self.network = around.network
        self._around = around

    def forward(
        self,
        pixels_NCHW: Tensor,
        anchored_ND: Tensor | None,
        class_embedding_D: Tensor,
        former_D: Tensor,
        weights_N: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        features_ND = self.network.features_of_pixels(pixels_NCHW)
        client_round = _of_client(self._around, class_embedding_D, former_D)
        if weights_N is None:
            return client_loss(client_round, features_ND, anchored_ND), features_ND

        def of_one(features_D: Tensor, anchored_D: Tensor | None) -> Tensor:
            anchored_1D = None if anchored_D is None else anchored_D.unsqueeze(0)
            return client_loss(client_round, features_D.unsqueeze(0), anchored_1D)

        # A client's loss is a mean over images, and so it is the sum of the losses of single images by their weights.
        losses_N = vmap(of_one, in_dims=(0, None if anchored_ND is None else 0))(features_ND, anchored_ND)
        return (losses_N * weights_N).sum(), features_ND


def _of_client(around: ClientRound, class_embedding_D: Tensor, former_D: Tensor) -> ClientRound:
    return replace(around, class_embedding_D=class_embedding_D, former_class_embedding_D=former_D)


def _clones(tensors: Tensors) -> Tensors:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _filled(pixels_NCHW: Tensor, places: int) -> Tensor:
    """The images, and after them the first ones again until there are so many ``places``."""
    again_N = torch.arange(places, device=pixels_NCHW.device) % len(pixels_NCHW)
    return pixels_NCHW[again_N]


def _stacked(tensor: Tensor, count: int) -> Tensor:
    """``count`` copies (K, …) of a tensor, contiguous, with axes in the order of `_AXIS_ORDERS`."""
    permuted = tensor.permute(_axis_order(tensor.dim()))
    return permuted.expand(count, *permuted.shape).clone(memory_format=torch.contiguous_format)


def _in_usual_order(copies: Tensor) -> Tensor:
    """A view of the copies (K, …) in which the axes of each copy are in their usual order."""
    order = _axis_order(copies.dim() - 1)
    return copies.permute(0, *(1 + order.index(axis) for axis in range(len(order))))


def _axis_order(axes: int) -> tuple[int, ...]:
    return _AXIS_ORDERS.get(axes, tuple(range(axes)))
