"""Rounds, starting points and partials for tests that call the aggregator's arithmetic."""

from __future__ import annotations

import io
from typing import TypeVar

import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.aggregation import Partial, StartingPoint
from fedface_learning.data import FaceDataset
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.strategies import NOTHING, ServerRound, Tensors

PartialT = TypeVar("PartialT", bound=Partial)


def server_round(plan: Plan, network: EmbeddingNetwork, class_embeddings_CD: Tensor | None = None) -> ServerRound:
    """Round 1 with these class embeddings (C, D), or enrolment if there are none. It has no photographs."""

    def no_photographs() -> FaceDataset:
        raise AssertionError("the step has opened photographs")

    if class_embeddings_CD is None:
        return ServerRound(plan, 0, network, torch.empty(0, plan.model.embedding_size), {}, NOTHING, no_photographs)
    return ServerRound(plan, 1, network, class_embeddings_CD, {}, NOTHING, no_photographs)


def starting_point(plan: Plan, model: Tensors, rounds_behind: int = 0) -> StartingPoint:
    """The starting point of clients that get these tensors with their present values."""
    data = encode_tensors(model)
    return StartingPoint(plan, sha256_hex(data), lambda: StoredTensors(io.BytesIO(data)), rounds_behind)


def stored_again(partial: PartialT) -> PartialT:
    """The partial, encoded and decoded again, as another process reads it."""
    return type(partial).read(io.BytesIO(b"".join(partial.encoded_parts())))
