"""Model versions from the artifact store, as tensors and networks, cached in each process."""

from __future__ import annotations

import torch

from fedface_core.contracts import object_keys
from fedface_core.domain.plan import ModelPlan
from fedface_core.ports import ArtifactStore
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.device import HOST
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork, build_network
from fedface_learning.models.weights import load_tensors
from fedface_worker.artifact_files import fetch_artifact


class ModelVersions:
    """Fetches each model version once per process, and keeps the newest one, because all tasks of a round start from it.

    The anchor of a run is kept beside it: all rounds have the same one.
    """

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self._newest: tuple[str, StoredTensors] | None = None
        self._network: EmbeddingNetwork | None = None
        self._trainer: LocalTrainer | None = None
        self._trained_from: str | None = None
        self._anchor: tuple[str, EmbeddingNetwork] | None = None

    def reference(self, sha256: str) -> StoredTensors:
        """The tensors of a model version. A large one stays on disk.

        `DamagedObjectError` if the object has another SHA-256, `ArtifactMissingError` if there is no such object.
        """
        if self._newest is None or self._newest[0] != sha256:
            self._newest = None  # free the old model version before the new one is fetched
            self._newest = (sha256, self._fetched(sha256))
        return self._newest[1]

    def network(self, plan: ModelPlan, sha256: str, device: torch.device = HOST) -> EmbeddingNetwork:
        """The process's network, set to a model version, on a device. The next call overwrites it.

        Raises the errors of `reference`, and `InvalidInputError` if the model version does not fit the plan.
        """
        if self._network is None or self._network.plan != plan or self._network.device.type != device.type:
            self._network = build_network(plan).to(device)
        load_tensors(self._network, self.reference(sha256).tensors(), source=object_keys.model(sha256))
        return self._network

    def forget_network(self) -> None:
        """Free the memory of the process's network."""
        self._network = None

    def trainer(self, plan: ModelPlan, sha256: str, device: torch.device = HOST) -> LocalTrainer:
        """The process's trainer on a device, whose clients start from a model version. It has a network of its own.

        Raises the errors of `reference`, and `InvalidInputError` if the model version does not fit the plan.
        """
        if self._trainer is None or self._trainer.network.plan != plan or self._trainer.device.type != device.type:
            self._trainer = LocalTrainer(build_network(plan), device)
            self._trained_from = None
        if self._trained_from != sha256:
            self._trainer.start_from(self.reference(sha256).tensors(), source=object_keys.model(sha256))
            self._trained_from = sha256
        return self._trainer

    def anchor(self, plan: ModelPlan, sha256: str | None, device: torch.device = HOST) -> EmbeddingNetwork | None:
        """A network, on a device, of the model version that clients hold their embeddings to; None if none is named.

        Raises the errors of `reference`, and `InvalidInputError` if the model version does not fit the plan.
        """
        if sha256 is None:
            return None
        if self._anchor is None or self._anchor[0] != sha256 or self._anchor[1].plan != plan:
            self._anchor = None  # free the old one before the new one is fetched
            network = build_network(plan).requires_grad_(False)
            load_tensors(network, self._fetched(sha256).tensors(), source=object_keys.model(sha256))
            self._anchor = (sha256, network)
        return self._anchor[1].to(device)

    def _fetched(self, sha256: str) -> StoredTensors:
        """The tensors of a model version that need not be the newest, which is kept."""
        if self._newest is not None and self._newest[0] == sha256:
            return self._newest[1]
        return StoredTensors(fetch_artifact(self._artifacts, object_keys.model(sha256), sha256))
