"""pfl-research, set up as its documentation recommends for speed: data in memory, and `torchrun` for two processes.

It computes on the device that PFL_PYTORCH_DEVICE names, and has its data there; by default a GPU if torch reaches one.

An epoch is one full batch, every client is in every cohort, updates are weighted by images and summed by pfl's own
aggregator. Only spreadout and the averaging of buffers are added. Only the round that warms up is evaluated.
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
    """The network with the two methods that pfl calls."""

    def __init__(self, network: PlainNetwork, margin: float) -> None:
        super().__init__()
        self.network = network
        self._margin = margin

    def loss(self, pixels_NCHW: Tensor, class_embedding_D: Tensor) -> Tensor:
        return squared_hinge(normalize(self.network.embed(pixels_NCHW)), class_embedding_D, self._margin)

    def metrics(self, _pixels_NCHW: Tensor) -> dict[str, Any]:
        return {}


class _Model(PyTorchModel):  # type: ignore[misc]
    """pfl's model, with the network's float buffers beside its parameters, so that BatchNorm's statistics are averaged."""

    @cached_property
    def variable_map(self) -> dict[str, Tensor]:
        """Name → tensor of a client's update. pfl reads it several times for each client, so it is cached."""
        buffers = {name: buffer for name, buffer in self.pytorch_model.named_buffers() if buffer.is_floating_point()}
        return {**super().variable_map, **buffers}


class _FederatedAveragingWithSpreadout(FederatedAveraging):  # type: ignore[misc]
    """Federated averaging, then spreadout on the server. In pfl every process does both."""

    def __init__(self, workload: Workload, class_embeddings_CD: Tensor) -> None:
        super().__init__()
        self._workload = workload
        self._class_embeddings_CD = class_embeddings_CD

    def process_aggregated_statistics(
        self, central_context: CentralContext, aggregate_metrics: Metrics, model: _Model, statistics: WeightedStatistics
    ) -> tuple[_Model, Metrics]:
        """Average as pfl does, then spread the class embeddings in the memory that the clients' data sets read."""
        updated: tuple[_Model, Metrics] = super().process_aggregated_statistics(
            central_context, aggregate_metrics, model, statistics
        )
        self._class_embeddings_CD.copy_(spread(self._class_embeddings_CD, self._workload.spreadout))
        return updated


class _RoundRecorder(TrainingProcessCallback):  # type: ignore[misc]
    """Records when each round ended, and the model after the first round."""

    def __init__(self) -> None:
        self.moments = [time.time()]
        self.first_model: dict[str, Tensor] = {}

    def after_central_iteration(self, _metrics: Metrics, model: _Model, *, central_iteration: int) -> tuple[bool, Metrics]:
        """Record the end of a round. Returns that training goes on, and no metrics."""
        self.moments.append(time.time())
        if central_iteration == 0:
            self.first_model = {
                name: tensor.cpu().clone() for name, tensor in model.pytorch_model.network.state_dict().items()
            }
        return False, Metrics()


def run(path: Path, rounds: int, _variant: str) -> RunnerResult | None:
    """Run in each of the processes that `torchrun` started, or in the only one. Only the first one returns a result."""
    np.random.seed(0)  # all processes must draw the same numbers
    device = pytorch_ops.get_default_device()
    torch.backends.cudnn.allow_tf32 = False  # as FedFace in float32
    workload = read_workload(path)
    local = workload.local
    clients = len(workload.images_CNCHW)
    class_embeddings_CD = workload.class_embeddings_CD.clone().to(device)
    users = {
        client: Dataset(
            [normalised_pixels(workload.images_CNCHW[client].to(device), channels_last=True)],
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
    recorder = _RoundRecorder()
    with redirect_stdout(io.StringIO()):  # pfl prints its metrics after each round
        _FederatedAveragingWithSpreadout(workload, class_embeddings_CD).run(
            NNAlgorithmParams(
                central_num_iterations=rounds, evaluation_frequency=_NEVER, train_cohort_size=clients, val_cohort_size=None
            ),
            backend,
            _model(workload),
            NNTrainHyperParams(local_num_epochs=local.steps, local_learning_rate=local.learning_rate, local_batch_size=None),
            callbacks=[recorder],
            send_metrics_to_platform=False,
        )
    return RunnerResult(tuple(recorder.moments), recorder.first_model) if pytorch_ops.distributed.global_rank == 0 else None


def _model(workload: Workload) -> _Model:
    network = training_network(workload.network, channels_last=True)
    local = workload.local
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
