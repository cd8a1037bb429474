"""A network in which one client after another trains. N images of C×H×W pixels, D dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedface_learning.client.local_training import LocalResult, Measured, Trainee, TrainingRound, train_clients
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import features_of_pixels
from fedface_learning.models.weights import load_tensors
from fedface_learning.strategies import ClientRound, Tensors, strategy_of


class LocalTrainer:
    """A network in which one client after another trains, each from the global model. A process needs one.

    ``network`` is the global model to begin with. Same inputs, same bits, whoever trained in it before, at one thread count.
    """

    def __init__(self, network: EmbeddingNetwork) -> None:
        self.network = network
        self.state: Tensors = network.state_dict()
        """The network's parameters and buffers, in its own memory."""
        self.global_model: Tensors = {name: tensor.clone() for name, tensor in self.state.items()}

    def start_from(self, model: Tensors, source: str) -> None:
        """Have clients start from another global model. `InvalidInputError`, naming ``source``, if it does not fit."""
        load_tensors(self.network, model, source)
        self.global_model = {name: tensor.clone() for name, tensor in self.state.items()}

    @torch.no_grad()
    def reset(self) -> EmbeddingNetwork:
        """The network, as the global model again."""
        for name, tensor in self.state.items():
            tensor.copy_(self.global_model[name])
        return self.network

    def client_round(self, training: TrainingRound, class_embedding_D: Tensor) -> ClientRound:
        """What the strategy sees of a client that trains from this trainer's global model, with its class embedding (D,)."""
        return ClientRound(
            plan=training.plan,
            number=training.number,
            network=self.network,
            class_embedding_D=class_embedding_D,
            global_model=self.global_model,
            guidance=training.guidance,
        )

    def train(self, trainee: Trainee, training: TrainingRound) -> LocalResult:
        """Train a client in the network, which is left as the client has trained it. See `local_training.train_clients`."""
        [result] = train_clients(_TheNetwork(self, trainee, training), [trainee], training)
        return result


class _TheNetwork:
    """One client's, as `TraineeNetworks`: the trainer's own network."""

    fused = False

    def __init__(self, trainer: LocalTrainer, trainee: Trainee, training: TrainingRound) -> None:
        self.network = trainer.reset()
        self.parameters: list[Tensor] = [*self.network.parameters()]
        # A copy lies where torch wants it; a row of W, or bytes off the wire, may not, and its sums could round otherwise.
        self.class_embeddings = trainee.class_embedding_D.clone()
        self._state = trainer.state
        self._loss = strategy_of(training.plan).loss
        self._client_round = trainer.client_round(training, self.class_embeddings)

    def stacked(self, batches: Sequence[Tensor]) -> Tensor:
        """The one batch (N, C, H, W), as it is."""
        [pixels_NCHW] = batches
        return pixels_NCHW

    def losses(self, pixels_NCHW: Tensor) -> Tensor:
        """See `TraineeNetworks.losses`."""
        return self._loss(self._client_round, self.network.embed(pixels_NCHW)).unsqueeze(0)

    def measure(self, pixels_NCHW: Tensor) -> Measured:
        """See `TraineeNetworks.measure`. However many images there are, few are in memory at once."""
        features_ND = features_of_pixels(self.network, pixels_NCHW)
        with torch.no_grad():
            loss = self._loss(self._client_round, features_ND)
        return Measured([loss.item()], [features_ND])

    def client_round(self, _index: int) -> ClientRound:
        """See `TraineeNetworks.client_round`."""
        return self._client_round

    def model(self, _index: int) -> Tensors:
        """See `TraineeNetworks.model`: the trainer's memory, until the next client trains in it."""
        return self._state
