"""Stand-ins for all computations: the services are real, and their results only name the updates that they come from.

So a model version says exactly which updates are in it, and ten thousand steps take seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, BinaryIO

import pytest
import torch

from fedface_core.contracts import object_keys
from fedface_core.domain.errors import InvalidInputError, UpdateRefusedError
from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, RocCurve, Scores, VerificationReport, far_label
from fedface_core.domain.round import Round
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_core.ports import ArtifactStore
from fedface_learning.aggregation import PARTIALS, StartingPoint
from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.strategies import ServerRound
from fedface_worker.workbench import Workbench

INITIAL_MODEL = b"the initial model"


# The plan's seed decides what goes wrong in a run, so that every process sees it alike.
def weights_do_not_fit(plan: Plan) -> bool:
    """The initial model cannot be prepared."""
    return plan.seed % 11 == 7


def sends_bad_updates(plan: Plan, client: str) -> bool:
    """The client's updates of training rounds are accepted, and refused when they are folded."""
    return plan.seed % 3 == 1 and client_index(client) == 0


def cannot_train(plan: Plan, client: str) -> bool:
    """The client fails in every training round."""
    return plan.seed % 5 == 1 and client_index(client) == 1


@lru_cache(maxsize=10_000)
def update_of(model_sha256: str, client: str, *, bad: bool = False, started_from: str | None = None) -> Update:
    """The client's update of a model version: equal bytes each time."""
    losses = {"loss_before": 1.0, "loss_after": 0.5}
    metadata: dict[str, Any] = {"images": 1 + client_index(client) % 10, "started_from": started_from, **losses}
    data = encode_tensors({f"{'bad' if bad else 'update'}/{model_sha256}/{client}": torch.zeros(1)}, metadata)
    return Update(data, AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)}))


class UpdateNames:
    """A partial that holds the names of the updates in it, instead of their sum."""

    def __init__(self) -> None:
        self.folded: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.norms: dict[str, float] = {}
        self.details: dict[str, str] = {}

    def size_limit(self, start: StartingPoint) -> int:
        start.open_model()
        return 10_000

    def admits(self, client: str, update: AcceptedUpdate, start: StartingPoint) -> bool:
        if update.started_from in (None, start.model_sha256):
            return True
        self.refused[client] = RefusalReason.WRONG_MODEL
        return False

    def fold(self, client: str, update: AcceptedUpdate, blocks: Iterable[memoryview], _start: StartingPoint) -> None:
        try:
            data = b"".join(blocks)
        except UpdateRefusedError as error:
            self.refused[client] = error.reason
            return
        if sha256_hex(data) != update.sha256:
            self.refused[client] = RefusalReason.CHANGED
        elif b'"bad/' in data:
            self.refused[client] = RefusalReason.NOT_FINITE
        else:
            self.folded[client] = update.sha256

    def encoded_parts(self) -> list[bytes]:
        return [json.dumps([self.folded, self.refused]).encode()]

    @classmethod
    def read(cls, file: BinaryIO) -> UpdateNames:
        partial = cls()
        partial.folded, partial.refused = json.loads(file.read())
        return partial


class ModelNames:
    """Model versions that are named by their SHA-256; each must be in the store."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def network(self, _plan: object, model_sha256: str, _device: object = None) -> str:
        self._artifacts.size(object_keys.model(model_sha256))
        return model_sha256

    trainer = network

    def anchor(self, _plan: object, model_sha256: str | None, _device: object = None) -> str | None:
        return None if model_sha256 is None else self.network(None, model_sha256)

    def reference(self, model_sha256: str) -> str:
        return self.network(None, model_sha256)

    def forget_network(self) -> None:
        """Nothing to do: no network is kept."""


def _reduced(partials: Iterable[UpdateNames], before: ServerRound, _encode: object) -> ReducedRound:
    folded: dict[str, str] = {}
    refused: dict[str, str] = {}
    for partial in partials:
        folded |= partial.folded
        refused |= partial.refused
    model = json.dumps({"from": before.network, "folded": folded}).encode()
    class_embeddings = b"W of " + model
    aggregation = Aggregation(
        model_sha256=sha256_hex(model),
        class_embeddings_sha256=sha256_hex(class_embeddings),
        folded=len(folded),
        images=sum(1 + client_index(client) for client in folded),
        uploaded_bytes=100 * len(folded),
        refused=refused,
        update_norm=None,
        loss_before=None,
        spreadout_loss=0.0,
        mean_off_diagonal_cosine=0.0,
        max_off_diagonal_cosine=0.0,
    )
    return ReducedRound([model], class_embeddings, (), None, aggregation)


def folded_in(model: bytes) -> Mapping[str, str]:
    """Client → SHA-256 of its update, for each update in the average of a model version."""
    folded: dict[str, str] = json.loads(model)["folded"]
    return folded


def scores_of(model_sha256: str, plan: Plan) -> Scores:
    """Scores that go up and down from round to round."""
    tar = {far_label(far): int(model_sha256[0], 16) / 15 for far in plan.far}
    return Scores(
        tar=tar, auc=0.5, eer=0.5, genuine_pairs=1, impostor_pairs=1, mean_genuine_cosine=0.0, mean_impostor_cosine=0.0
    )


def replace_arithmetic(patch: pytest.MonkeyPatch) -> None:
    """Replace the services' computations by functions that name their results."""

    def initial(_artifacts: ArtifactStore, plan: Plan) -> None:
        if weights_do_not_fit(plan):
            raise InvalidInputError("they do not fit")

    def own_class_embedding(artifacts: ArtifactStore, opened: Round, _client: str, _size: int) -> int:
        assert opened.class_embeddings_sha256 is not None
        return artifacts.size(object_keys.class_embeddings(opened.run_id, opened.class_embeddings_sha256))

    def training_update(model_sha256: str, trainee: Trainee, training: TrainingRound) -> Update:
        client = trainee.client
        if cannot_train(training.plan, client):
            raise InvalidInputError("there are no photographs")
        bad = sends_bad_updates(training.plan, client)
        return update_of(model_sha256, client, bad=bad, started_from=training.started_from)

    def score(_bench: Workbench, plan: Plan, current: Round) -> VerificationReport:
        assert current.aggregation is not None
        sha256 = current.aggregation.model_sha256
        scores = scores_of(sha256, plan)
        roc = RocCurve(far=[0.5], tar=[0.5])
        return VerificationReport(run_id=current.run_id, round=current.number, model_sha256=sha256, scores=scores, roc=roc)

    patch.setattr("fedface_worker.workbench.ModelVersions", ModelNames)
    patch.setattr("fedface_aggregator.prepare.initial_model", initial)
    patch.setattr("fedface_aggregator.prepare.encode_network", lambda _network: INITIAL_MODEL)
    patch.setattr("fedface_client.list_identities.list_identities_now", lambda _plan, _roots: b"the people\n")
    patch.setattr("fedface_client.make_update.photographs", lambda _bench, invitation: [invitation.client_id])
    patch.setattr("fedface_client.make_update.enrolment_update", lambda sha256, images, _plan: update_of(sha256, images[0]))
    patch.setattr("fedface_client.make_update.own_class_embedding", own_class_embedding)
    patch.setattr("fedface_client.make_update.training_update", training_update)
    stand_ins: dict[RoundKind, Any] = dict.fromkeys(RoundKind, UpdateNames)
    for kind, names in stand_ins.items():
        patch.setitem(PARTIALS, kind, names)
    patch.setattr("fedface_aggregator.reduce.decode_class_embeddings", lambda data, _size: data)
    patch.setattr("fedface_aggregator.reduce.reduce_partials", _reduced)
    patch.setattr("fedface_evaluator.evaluate.score", score)
