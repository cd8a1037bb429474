"""What a simulation has in one process: everybody's photographs, and the rounds that it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.data import FaceDataset, IdentitySplit
from fedface_learning.evaluation.verification import Verification, evaluate
from fedface_learning.models import EmbeddingNetwork

Rounds = Iterator[tuple[ReducedRound, Verification | None]]
"""Enrolment, then each training round: what it came to, and how its model does, where that is asked for."""


@dataclass(frozen=True)
class Gathered:
    """The photographs."""

    dataset: FaceDataset
    split: IdentitySplit
    images: Mapping[str, Tensor]
    """Client → its own, uint8 (n, C, H, W), in client order."""

    evaluate_at: Callable[[int], bool]
    """Whether the model of the round with this number is scored."""

    def score(self, number: int, network: EmbeddingNetwork, far: Sequence[float]) -> Verification | None:
        """The verification of round ``number`` on the test identities; None where the round is not to be scored."""
        return evaluate(network, self.dataset, self.split.test, far) if self.evaluate_at(number) else None
