"""Model versions from the artifact store, for the processes that compute with them."""

from __future__ import annotations

from fedface_core.contracts import object_keys
from fedface_core.domain.plan import ModelPlan
from fedface_core.ports import ArtifactStore
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork, build_network
from fedface_learning.models.weights import load_tensors
from fedface_worker.artifact_files import fetch_artifact


class ModelVersions:
    """Fetches a model version once per process and keeps the newest: a round's tasks all start from the same one."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self._newest: tuple[str, StoredTensors] | None = None
        self._network: EmbeddingNetwork | None = None
        self._trainer: LocalTrainer | None = None
        self._trained_from: str | None = None

    def reference(self, sha256: str) -> StoredTensors:
        """A model version; where it is large, it stays on disk. Errors are `fetch_artifact`'s."""
        if self._newest is None or self._newest[0] != sha256:
            self._newest = None  # the old one first, so that there are never two
            self._newest = (sha256, StoredTensors(fetch_artifact(self._artifacts, object_keys.model(sha256), sha256)))
        return self._newest[1]

    def network(self, plan: ModelPlan, sha256: str) -> EmbeddingNetwork:
        """The network at a model version. It is this process's only one: train it, read it, then ask anew."""
        if self._network is None or self._network.plan != plan:
            self._network = build_network(plan)
        load_tensors(self._network, self.reference(sha256).tensors(), source=object_keys.model(sha256))
        return self._network

    def forget_network(self) -> None:
        """Free its memory: for a process that seldom needs it."""
        self._network = None

    def trainer(self, plan: ModelPlan, sha256: str) -> LocalTrainer:
        """The process's trainer, whose clients start from a model version. Its network is not the one of `network`."""
        if self._trainer is None or self._trainer.network.plan != plan:
            self._trainer, self._trained_from = LocalTrainer(build_network(plan)), None
        if self._trained_from != sha256:
            self._trainer.start_from(self.reference(sha256).tensors(), source=object_keys.model(sha256))
            self._trained_from = sha256
        return self._trainer
