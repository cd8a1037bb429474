"""A network in which one client after another trains. N images of C×H×W pixels, D dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedface_learning.client.gradient_steps import take_steps
from fedface_learning.client.local_training import LocalResult, Measurement, Trainee, TrainingRound, train_clients
from fedface_learning.client.recorded_step import RecordedSteps
from fedface_learning.device import HOST, all_moved, copy_on, making_tensors_on, moved, on_host
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import features_of_pixels
from fedface_learning.models.weights import load_tensors
from fedface_learning.strategies import NOTHING, ClientRound, Tensors, strategy_of
from fedface_learning.strategies.anchored_loss import anchored_embeddings, client_loss
from fedface_learning.updates.trained import TrainedModels


class LocalTrainer:
    """A network in which one client after another trains, each from the global model. A process needs one trainer.

    At first the global model is that of ``network``. Equal inputs give equal bits at an equal number of threads, whichever
    clients trained in the network before.
    """

    def __init__(self, network: EmbeddingNetwork, device: torch.device = HOST) -> None:
        """Clients train on ``device``: in ``network`` if it is there, else in a copy of it."""
        self.device = device
        self.network = copy_on(network, device)
        self.state: Tensors = self.network.state_dict()
        """The network's parameters and buffers by name; they share the network's memory."""
        self.global_model: Tensors = {name: tensor.clone() for name, tensor in self.state.items()}
        """The parameters and buffers, by name, from which every client starts, on the device."""
        self.recorded_steps = RecordedSteps()
        """Recordings of the steps of clients that train at once."""
        self._guidance: tuple[Tensors, Tensors] = (NOTHING, NOTHING)
        self._started_from: Tensors | None = None

    @property
    def started_from(self) -> Tensors:
        """The global model on the CPU."""
        if self._started_from is None:
            self._started_from = on_host(self.global_model)
        return self._started_from

    def start_from(self, model: Tensors, source: str) -> None:
        """Make ``model`` the global model. `InvalidInputError`, which names ``source``, if it does not fit the network."""
        load_tensors(self.network, model, source)
        self.global_model = {name: tensor.clone() for name, tensor in self.state.items()}
        self._started_from = None

    @torch.no_grad()
    def reset(self) -> EmbeddingNetwork:
        """Set the network back to the global model, and return it."""
        for name, tensor in self.state.items():
            tensor.copy_(self.global_model[name])
        return self.network

    def client_round(self, training: TrainingRound, class_embedding_D: Tensor, former_D: Tensor) -> ClientRound:
        """What the strategy sees of a client that trains from this trainer's global model.

        It trains with its class embedding (D,), and came with ``former_D``.
        """
        return ClientRound(
            plan=training.plan,
            number=training.number,
            network=self.network,
            class_embedding_D=class_embedding_D,
            former_class_embedding_D=former_D,
            global_model=self.global_model,
            guidance=self._guidance_of(training),
        )

    def _guidance_of(self, training: TrainingRound) -> Tensors:
        """The round's guidance on the device, checked when it is first met."""
        if self._guidance[0] is not training.guidance:
            strategy_of(training.plan).check_guidance(training.plan, training.guidance)
            self._guidance = (training.guidance, all_moved(training.guidance, self.device))
        return self._guidance[1]

    def train(self, trainee: Trainee, training: TrainingRound) -> LocalResult:
        """Train a client by `local_training.train_clients`. Afterwards the network holds what the client has trained."""
        [result] = train_clients(SingleNetwork(self, trainee, training), [trainee], training)
        return result


@dataclass(frozen=True)
class Batch:
    """A batch of one client."""

    pixels_NCHW: Tensor
    anchored_ND: Tensor | None
    """The unit embeddings (N, D) by the anchor; None if there is none, or if no loss is computed of the batch."""


class SingleNetwork:
    """The `TraineeNetworks` of one client: the trainer's own network."""

    fused = False

    def __init__(self, trainer: LocalTrainer, trainee: Trainee, training: TrainingRound) -> None:
        self.network = trainer.reset()
        self.parameters: list[Tensor] = [*self.network.parameters()]
        # A copy is aligned as torch prefers. A row of W or received bytes may not be; then torch could round sums
        # differently.
        self.class_embeddings = moved(trainee.class_embedding_D, trainer.device).clone()
        self.images = len(trainee.images_NCHW)
        self._device = trainer.device
        self._state = trainer.state
        self._anchor = training.anchor
        self._client_round = trainer.client_round(training, self.class_embeddings, self.class_embeddings.clone())

    def stack(self, batches: Sequence[Tensor], _places: int, *, for_loss: bool) -> Batch:
        """The only batch, with the embeddings of its images by the anchor if it is stacked ``for_loss``."""
        [images_NCHW] = batches
        pixels_NCHW = self.network.pixels(images_NCHW)
        anchor = self._anchor if for_loss else None
        return Batch(pixels_NCHW, None if anchor is None else anchored_embeddings(anchor, pixels_NCHW))

    def take_steps(self, inputs: Iterable[Batch], training: TrainingRound) -> list[Tensor]:
        """Take a gradient step on each of the inputs; return the loss of each step (1,)."""
        return take_steps(self, inputs, training)

    def losses(self, batch: Batch) -> Tensor:
        """The client's mean loss on its batch, as a tensor (1,) with gradients."""
        features_ND = self.network.features_of_pixels(batch.pixels_NCHW)
        with making_tensors_on(self._device):
            return client_loss(self._client_round, features_ND, batch.anchored_ND).unsqueeze(0)

    def features(self, batch: Batch) -> list[Tensor]:
        """The raw features (N, D) of the images in evaluation mode, without gradients. Uses small batches."""
        return [features_of_pixels(self.network, batch.pixels_NCHW)]

    def measure(self, batch: Batch) -> Measurement:
        """Loss and raw features of the images in evaluation mode, without gradients. Uses small batches."""
        features_ND = features_of_pixels(self.network, batch.pixels_NCHW)
        with torch.no_grad(), making_tensors_on(self._device):
            loss = client_loss(self._client_round, features_ND, batch.anchored_ND)
        return Measurement(loss.unsqueeze(0), [features_ND])

    def client_round(self, _index: int) -> ClientRound:
        """What the strategy sees of the client."""
        return self._client_round

    def models(self) -> TrainedModels:
        """The client's parameters and buffers, in the trainer's memory, which the next client overwrites."""
        return TrainedModels({name: tensor.unsqueeze(0) for name, tensor in self._state.items()})
