"""The partials of a simulated round: the clients of each shard train, and their updates are folded."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from tempfile import TemporaryFile

from torch import Tensor

from fedface_core.domain.plan.delivery import why_not_combined
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.aggregation import PARTIALS, Partial, StartingPoint, TrainingPartial
from fedface_learning.aggregation.median_clipping import clips_by_median, median_bound, must_be_clipped
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import TrainingFailure
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.simulation.client_work import CLIENT_WORK, RoundInputs, train_groups
from fedface_learning.strategies import ServerRound, Tensors
from fedface_learning.updates.class_parts import decode_kept, encode_kept
from fedface_learning.updates.encoding import decode_residual, update_encoding_of
from fedface_learning.updates.form import in_one_block
from fedface_learning.updates.trained import TrainedUpdate


class ShardSums:
    """The partials of one round. Clients train in the round's network; in the end that is the global model again."""

    def __init__(
        self,
        before: ServerRound,
        trainer: LocalTrainer,
        cohort: Sequence[str],
        images: Mapping[str, Tensor],
        model: bytes,
        guidance: Tensors,
        residuals: Mapping[str, Tensor],
        anchor: EmbeddingNetwork | None = None,
    ) -> None:
        """Clients train in ``trainer``, from its global model. ``images`` is client → its images (N, C, H, W), uint8.
        ``model`` is the model version that the round starts from, as an object. ``guidance``, ``residuals``
        and ``anchor`` are those of `RoundInputs`.
        """
        self._plan = before.plan
        self._kind = RoundKind.of(before.number)
        self._images = images
        size = before.plan.shard_size_for(len(cohort))
        self._shards = [cohort[first : first + size] for first in range(0, len(cohort), size)]
        self._model = model
        self._trainer = trainer
        self._inputs = RoundInputs(
            before.plan,
            before.number,
            self._trainer,
            sha256_hex(model),
            before.class_embeddings_CD,
            guidance,
            cohort,
            dict(residuals),
            anchor,
        )
        self.failed: dict[str, str] = {}
        """Client → why its training gave no update. As in the services, the round goes on without it."""
        self.new_residuals: dict[str, Tensor] = {}
        """Client → what it keeps of its update of this round, if it keeps anything and the update was not refused."""

    def in_order(self) -> Iterator[Partial]:
        """The partial of each shard, in shard order. A shard is a slice of the cohort.

        If the plan clips by the median, the first sums wait in temporary files until the norms of all updates are known.
        The clients of a shard with an update that must be clipped train once more, with equal results.
        """
        if self._kind is RoundKind.TRAINING and clips_by_median(self._plan):
            yield from self._clipped()
        else:
            for clients in self._shards:
                yield self._sum(clients, None)
        self._trainer.reset()

    def _clipped(self) -> Iterator[Partial]:
        files = []
        norms: dict[str, float] = {}
        for clients in self._shards:
            partial = self._sum(clients, None)
            norms |= partial.norms
            file = TemporaryFile()  # noqa: SIM115 - the partial that is read from it closes it
            file.writelines(partial.encoded_parts())
            file.seek(0)
            files.append(file)
        bound = median_bound(self._plan, norms)
        for clients, file in zip(self._shards, files, strict=True):
            partial = PARTIALS[self._kind].read(file)
            yield self._sum(clients, bound) if must_be_clipped(partial.norms, bound) else partial

    def _sum(self, clients: Sequence[str], bound: float | None) -> Partial:
        start = StartingPoint(
            self._plan,
            self._inputs.model_sha256,
            lambda: StoredTensors(io.BytesIO(self._model)),
            median_bound=bound,
            kept=self._kept(clients),
        )
        partial = PARTIALS[self._kind]()
        if isinstance(partial, TrainingPartial) and not why_not_combined(self._plan):
            self._sum_trained(partial, clients, start)
            return partial
        for client, update in CLIENT_WORK[self._kind](self._inputs, {client: self._images[client] for client in clients}):
            if isinstance(update, TrainingFailure):
                self.failed[client] = update.reason
                continue
            partial.fold(client, update.accepted, in_one_block(update.data), start)
            if update.residual is not None and client not in partial.refused:
                self.new_residuals[client] = self._decode(update.residual)
        return partial

    def _sum_trained(self, partial: TrainingPartial, clients: Sequence[str], start: StartingPoint) -> None:
        """Add to the partial what the clients have trained. No objects are made of it, which changes no bit of the sum."""
        images = {client: self._images[client] for client in clients}
        for group in train_groups(self._inputs, images):
            self.failed |= {client: made.reason for client, made in group.items() if isinstance(made, TrainingFailure)}
            trained = {client: made for client, made in group.items() if isinstance(made, TrainedUpdate)}
            if trained:
                partial.fold_trained(trained, start)
            del group, trained  # their memory, before the next group takes as much

    def _kept(self, clients: Sequence[str]) -> dict[str, str]:
        if not self._plan.only_sums or self._kind is RoundKind.ENROLMENT:
            return {}
        return {client: sha256_hex(encode_kept(self._inputs.residuals[client])) for client in clients}

    def _decode(self, residual: bytes) -> Tensor:
        if self._plan.only_sums:
            return decode_kept(residual, self._plan.model.embedding_size)
        return decode_residual(residual, update_encoding_of(self._plan).count)
