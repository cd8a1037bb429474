"""pfl-research, as its documentation has it at its fastest: data sets of tensors in memory, `torchrun` for two processes.

Full batches as epochs, every client in every cohort, updates weighted by images and summed by pfl's own aggregator. Only
spreadout, and the averaging of buffers, are added. No evaluation after the round that warms up.
"""

from __future__ import annotations

import io
import time
from contextlib import redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.context import CentralContext
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNTrainHyperParams
from pfl.internal.ops import pytorch_ops
from pfl.metrics import Metrics
from pfl.model.pytorch import PyTorchModel
from pfl.stats import WeightedStatistics
from torch import Tensor, nn
from torch.nn.functional import normalize

from loadtest.bare.loop import normalised_pixels, squared_hinge, training_network
from loadtest.bare.networks import PlainNetwork
from loadtest.bare.spreadout import spread
from loadtest.bare.workload import Workload, read_workload
from loadtest.peers.runner_result import RunnerResult

_NEVER = 10**9


class _Module(nn.Module):
    """The network with the two methods that pfl asks for."""

    def __init__(self, network: PlainNetwork, margin: float) -> None:
        super().__init__()
        self.network, self._margin = network, margin

    def loss(self, pixels_NCHW: Tensor, class_embedding_D: Tensor) -> Tensor:
        return squared_hinge(normalize(self.network.embed(pixels_NCHW)), class_embedding_D, self._margin)

    def metrics(self, _pixels_NCHW: Tensor) -> dict[str, Any]:
        return {}


class _Model(PyTorchModel):  # type: ignore[misc]
    """pfl's model, whose parameters are joined by the network's float buffers: BatchNorm's statistics are averaged, too."""

    @cached_property
    def variable_map(self) -> dict[str, Tensor]:
        """What a client's update is made of, by name. pfl asks for it several times a client."""
        buffers = {name: buffer for name, buffer in self.pytorch_model.named_buffers() if buffer.is_floating_point()}
        return {**super().variable_map, **buffers}


class _FedFace(FederatedAveraging):  # type: ignore[misc]
    """Federated averaging, and spreadout on the server. Every process does both, as pfl has it."""

    def __init__(self, workload: Workload, class_embeddings_CD: Tensor) -> None:
        super().__init__()
        self._workload, self._class_embeddings_CD = workload, class_embeddings_CD

    def process_aggregated_statistics(
        self, central_context: CentralContext, aggregate_metrics: Metrics, model: _Model, statistics: WeightedStatistics
    ) -> tuple[_Model, Metrics]:
        """pfl's average, then spreadout, in the memory that the clients' data sets look into."""
        updated: tuple[_Model, Metrics] = super().process_aggregated_statistics(
            central_context, aggregate_metrics, model, statistics
        )
        self._class_embeddings_CD.copy_(spread(self._class_embeddings_CD, self._workload.spreadout))
        return updated


class _Notes(TrainingProcessCallback):  # type: ignore[misc]
    """When rounds ended, and the model after the first."""

    def __init__(self) -> None:
        self.moments = [time.time()]
        self.first: dict[str, Tensor] = {}

    def after_central_iteration(self, _metrics: Metrics, model: _Model, *, central_iteration: int) -> tuple[bool, Metrics]:
        """Note the end of a round."""
        self.moments.append(time.time())
        if central_iteration == 0:
            self.first = {name: tensor.clone() for name, tensor in model.pytorch_model.network.state_dict().items()}
        return False, Metrics()


def run(path: Path, rounds: int, _variant: str) -> RunnerResult | None:
    """In each of the processes that `torchrun` started, or in the only one; the first of them tells."""
    np.random.seed(0)  # the processes must draw alike
    workload = read_workload(path)
    local, clients = workload.local, len(workload.images_CNCHW)
    class_embeddings_CD = workload.class_embeddings_CD.clone()
    users = {
        client: Dataset(
            [normalised_pixels(workload.images_CNCHW[client], channels_last=True)],
            user_id=str(client),
            train_kwargs={"class_embedding_D": class_embeddings_CD[client]},
        )
        for client in range(clients)
    }
    backend = SimulatedBackend(
        training_data=FederatedDataset(users.__getitem__, get_user_sampler("minimize_reuse", [*users])),
        val_data=None,
        postprocessors=[WeightByDatapoints()],
    )
    notes = _Notes()
    with redirect_stdout(io.StringIO()):  # pfl prints its metrics after each round
        _FedFace(workload, class_embeddings_CD).run(
            NNAlgorithmParams(
                central_num_iterations=rounds, evaluation_frequency=_NEVER, train_cohort_size=clients, val_cohort_size=None
            ),
            backend,
            _model(workload),
            NNTrainHyperParams(local_num_epochs=local.steps, local_learning_rate=local.learning_rate, local_batch_size=None),
            callbacks=[notes],
            send_metrics_to_platform=False,
        )
    return RunnerResult(tuple(notes.moments), notes.first) if pytorch_ops.distributed.global_rank == 0 else None


def _model(workload: Workload) -> _Model:
    network, local = training_network(workload.network, channels_last=True), workload.local
    network.load_state_dict(workload.initial)
    module = _Module(network, local.margin)
    central = torch.optim.SGD(
        [*module.parameters(), *(each for each in module.buffers() if each.is_floating_point())], lr=1.0
    )
    return _Model(
        module,
        local_optimizer_create=lambda parameters, lr: torch.optim.SGD(
            parameters, lr=lr, momentum=local.momentum, fused=True
        ),
        central_optimizer=central,
    )
