"""What the aggregator has at hand, for tests that call its arithmetic."""

from __future__ import annotations

import io
from typing import TypeVar

import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.aggregation.enrolment_fold import EnrolmentPartial
from fedface_learning.aggregation.training_fold import TrainingPartial
from fedface_learning.data import FaceDataset
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.strategies import NOTHING, ServerRound

PartialT = TypeVar("PartialT", EnrolmentPartial, TrainingPartial)


def server_round(plan: Plan, network: EmbeddingNetwork, class_embeddings_CD: Tensor | None = None) -> ServerRound:
    """Round 1 with these class embeddings, or enrolment."""

    def no_photographs() -> FaceDataset:
        raise AssertionError("it looked at photographs")

    if class_embeddings_CD is None:
        return ServerRound(plan, 0, network, torch.empty(0, plan.model.embedding_size), {}, NOTHING, no_photographs)
    return ServerRound(plan, 1, network, class_embeddings_CD, {}, NOTHING, no_photographs)


def stored_again(partial: PartialT) -> PartialT:
    """The partial as another process reads it."""
    return type(partial).read(io.BytesIO(b"".join(partial.encoded_parts())))
