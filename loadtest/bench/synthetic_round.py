"""A synthetic training round: a store with a model version, class embeddings, and updates that no client has trained."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import torch
from pydantic import BaseModel, ConfigDict

from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.adapters.memory import MemoryLedger, RecordingPublisher
from fedface_core.adapters.s3 import S3Artifacts
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.contracts import object_keys
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.update import AcceptedUpdate, group_digest
from fedface_core.ports import ArtifactStore, Ports
from fedface_core.runtime.metrics import CountedArtifacts
from fedface_core.runtime.patience import with_patience
from fedface_learning.aggregation import StartingPoint, TrainingPartial
from fedface_learning.aggregation.server_state import join_states
from fedface_learning.client.enrolment import random_class_embeddings
from fedface_learning.formats.class_embeddings import encode_class_embeddings
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import encode_network, network_tensors
from fedface_learning.seeding import generator
from fedface_learning.strategies import Tensors
from fedface_learning.updates.trained import TrainedModels, TrainedUpdate
from fedface_worker.workbench import Workbench
from loadtest.bench.reference_workload import REFERENCE_NETWORK

RUN: Final = "run-000000000000"
NETWORKS: Final[dict[str, dict[str, object]]] = {
    "small": REFERENCE_NETWORK,
    "medium": {"architecture": "mobilefacenet"},
    "large": {"architecture": "spherenet-64", "height": 112, "width": 96},
}
"""Size of updates → the plan's part `model`: networks whose updates have 1.2, 4.1 and 193 MB."""

MOMENTS: Final[dict[str, tuple[str, ...]]] = {
    "average": (),
    "momentum": ("first",),
    "sgd": ("first",),
    "adam": ("first", "second"),
    "yogi": ("first", "second"),
}
"""Server optimiser → the moments that it keeps from round to round, each as large as the model."""

_IMAGES: Final = 10
_MOMENT: Final = 1e-6
_PATIENCE_SECONDS: Final = 60.0
_NOT_YET_KNOWN: Final = {"sha256": "0" * 64, "size": 1}
"""Of an update that is not encoded."""


class StoreLocation(BaseModel):
    """Where the artifacts are: in a directory, or in a bucket of an S3 server. It can be given to another process."""

    model_config = ConfigDict(frozen=True)

    directory: Path | None = None
    endpoint: str = ""
    bucket: str = ""
    access_key: str = ""
    secret_key: str = ""

    def open(self) -> ArtifactStore:
        """The store, without a service's retries and counters."""
        if self.directory is not None:
            return LocalArtifacts(self.directory)
        return S3Artifacts(self.endpoint, self.bucket, self.access_key, self.secret_key)


class SyntheticRound(BaseModel):
    """A closed round of which every client's update was accepted."""

    model_config = ConfigDict(frozen=True)

    location: StoreLocation
    plan: Plan
    round: Round
    accepted: dict[str, AcceptedUpdate]

    def first(self, updates: int) -> SyntheticRound:
        """The round of the first ``updates`` clients, with their updates."""
        clients = self.round.cohort[:updates]
        of_fewer = {"cohort": clients, "shard_size": self.plan.shard_size_for(len(clients)), "quorum": len(clients)}
        return SyntheticRound(
            location=self.location,
            plan=self.plan,
            round=self.round.model_copy(update=of_fewer),
            accepted={client: self.accepted[client] for client in clients},
        )

    @property
    def model_mb(self) -> float:
        """The size of the model version that the round starts from."""
        return self.location.open().size(object_keys.model(self.round.model_sha256)) / 1e6

    def shards(self) -> list[dict[str, AcceptedUpdate]]:
        """The accepted updates of each shard, by client."""
        members = (self.round.shard_members(shard) for shard in range(self.round.shards))
        return [{client: self.accepted[client] for client in clients} for clients in members]

    def key(self, client: str) -> str:
        """The key of the object with a client's update."""
        return object_keys.accepted_update(RUN, 1, client, self.accepted[client].group)

    def workbench(self) -> Workbench:
        """A workbench with the store as an aggregator has it (patient and counted), and with an empty ledger in memory."""
        ports = Ports(MemoryLedger(), CountedArtifacts(self.location.open()), RecordingPublisher(), SystemClock())
        return Workbench(with_patience(ports, _PATIENCE_SECONDS))


def put_round(
    location: StoreLocation,
    size: str,
    updates: int,
    delivery: Literal["single", "combined"] = "single",
    optimiser: str = "average",
) -> SyntheticRound:
    """Put the model version, the class embeddings, the moments of the server ``optimiser`` (one of `MOMENTS`), and updates.

    There are ``updates`` of them, of one of `NETWORKS`.

    Each update is the model with a little noise of its own. With combined delivery each is a combined update of its own,
    which has one client: so an aggregator reads as many objects of their size as it can get.
    """
    plan = Plan.model_validate(
        {
            "model": NETWORKS[size],
            "data": {"dataset": "synthetic"},
            "split": {"clients": updates, "test": 2},
            "rounds": 1,
            "delivery": delivery,
            "aggregation": {"optimiser": optimiser},
        }
    )
    store = location.open()
    network = initial_network(plan.model, plan.seed)
    model = encode_network(network)
    store.put(object_keys.model(sha256_hex(model)), model)
    rows = encode_class_embeddings(random_class_embeddings(updates, plan.model.embedding_size, plan.seed))
    store.put(object_keys.class_embeddings(RUN, sha256_hex(rows)), rows)
    server_state_sha256 = _put_moments(store, network, MOMENTS[optimiser])
    metadata = {"images": _IMAGES, "loss_before": 0.5, "loss_after": 0.25, "started_from": sha256_hex(model)}
    accepted: dict[str, AcceptedUpdate] = {}
    start = StartingPoint(plan, sha256_hex(model), lambda: StoredTensors(io.BytesIO(model)))
    for client in map(client_id, range(updates)):
        draws = generator(plan.seed, "workbench", client)
        trained = {
            name: tensor + 1e-4 * torch.randn(tensor.shape, generator=draws) if tensor.is_floating_point() else tensor
            for name, tensor in network_tensors(network).items()
        }
        if delivery == "combined":
            data = _combined_update(client, trained, AcceptedUpdate.model_validate(metadata | _NOT_YET_KNOWN), start)
        else:
            data = encode_tensors(trained, metadata)
        group = group_digest([client]) if delivery == "combined" else None
        store.put(object_keys.accepted_update(RUN, 1, client, group), data)
        known = {"sha256": sha256_hex(data), "size": len(data), "group": group}
        accepted[client] = AcceptedUpdate.model_validate(metadata | known)
    closed = _closed_round(plan, tuple(accepted), sha256_hex(model), sha256_hex(rows), server_state_sha256)
    return SyntheticRound(location=location, plan=plan, round=closed, accepted=accepted)


def _combined_update(client: str, trained: Tensors, declared: AcceptedUpdate, start: StartingPoint) -> bytes:
    """The object that a worker puts if it delivers this client alone."""
    models = TrainedModels({name: tensor.unsqueeze(0) for name, tensor in trained.items()})
    partial = TrainingPartial()
    partial.fold_trained({client: TrainedUpdate(declared, models, 0, {})}, start)
    return b"".join(partial.encoded_parts())


def _put_moments(store: ArtifactStore, network: EmbeddingNetwork, kinds: Sequence[str]) -> str | None:
    """Put the server state with the moments of these kinds; its digest, or None if there are none."""
    moments = {
        f"{kind}/{name}": torch.full_like(parameter, _MOMENT)
        for kind in kinds
        for name, parameter in network.named_parameters()
    }
    if not moments:
        return None
    state = encode_tensors(join_states(moments, {}))
    store.put(object_keys.server_state(RUN, sha256_hex(state)), state)
    return sha256_hex(state)


def _closed_round(
    plan: Plan, cohort: tuple[str, ...], model_sha256: str, class_embeddings_sha256: str, server_state_sha256: str | None
) -> Round:
    """Training round 1, closed with an accepted update of every client."""
    now = datetime.now(UTC)
    return Round(
        run_id=RUN,
        number=1,
        phase=RoundPhase.AGGREGATING,
        cohort=cohort,
        shard_size=plan.shard_size_for(len(cohort)),
        quorum=len(cohort),
        minimum=plan.cohort.minimum_for(plan.split.clients),
        opened_at=now,
        deadline_at=now,
        closed_at=now,
        model_sha256=model_sha256,
        class_embeddings_sha256=class_embeddings_sha256,
        server_state_sha256=server_state_sha256,
    )
