"""A partial as one vector of 64-bit numbers, which can be masked, and which adds up modulo 2⁶⁴ as partials do (ADR 41).

The vector of a client is that of the partial of its own update: the client checks and folds it as the aggregator folds
updates without masks. So the partial of the sum of vectors is the shard's partial, to the byte. The numbers, in this order:

| how many | what | in units of | and no sum over a shard of N ≤ 2¹⁰ clients leaves the 64 bits, since |
|---|---|---|---|
| P | Σ n_c · change | 2⁻ᵇ | the plan's b is so fine, and no finer (`fedface_core.domain.plan.fixed_point`) |
| 1 | clients | 1 | there are 2¹⁰ at most |
| 1 | images, Σ n_c | 1 | a client has fewer than 2³⁶ |
| 4 | Σ n_c · loss, before and after: v mod 2⁵³, then v ÷ 2⁵³ | 2⁻⁴⁰ | losses are below 2³⁰, the second below n_c · 2¹⁷ |
| D | change of Σ w_c | 2⁻¹⁵ | a number of w_c is below 2, so that of a change below 2¹⁷ units |
| D(D + 1)/2 | change of Σ w_c·w_cᵀ, row by row from the diagonal on | 2⁻³⁰ | below 2³³ units |

At enrolment there is no model and no loss. A loss is two numbers, as it may be up to 1e9; the second one is 0 if n_c · loss
is from 0 to 8192. P values of the model, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import RefusalReason
from fedface_learning.aggregation.enrolment_partial import EnrolmentPartial
from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.partial import Partial, StartingPoint
from fedface_learning.aggregation.training_partial import TrainingPartial
from fedface_learning.masking import Vector
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.strategies import Tensors

_LOW_BITS: Final = 53
_FIRST_UNITS: Final = 2.0**15
_SECOND_UNITS: Final = 2.0**30
_MODULUS: Final = 2**64


@dataclass(frozen=True)
class PartialVector:
    """The form of the vectors of one round."""

    kind: RoundKind
    size: int
    """D, the number of dimensions of a class embedding."""
    values: int = 0
    """P, how many values of a model are averaged; 0 at enrolment."""
    fraction_bits: int = 0
    """b; 0 at enrolment."""
    counters: Tensors = field(default_factory=dict)
    """The integer tensors that a model has after training, by name: as many steps more than before."""

    @classmethod
    def of(cls, start: StartingPoint, number: int) -> Self:
        """The form in round ``number``, whose clients begin at ``start``."""
        plan = start.plan
        size = plan.model.embedding_size
        if RoundKind.of(number) is RoundKind.ENROLMENT:
            return cls(RoundKind.ENROLMENT, size)
        form = start.trained_form
        steps = plan.local_training.steps_in(number, plan.rounds)
        counters = {
            name: form.reference.tensor(name) + steps for name, like in form.model.items() if not like.is_floating_point()
        }
        return cls(RoundKind.TRAINING, size, form.averaged_values, plan.fraction_bits, counters)

    @property
    def length(self) -> int:
        """How many numbers a vector has."""
        counts = 2 if self.kind is RoundKind.ENROLMENT else 6
        return self.values + counts + self.size + self.size * (self.size + 1) // 2

    def flatten(self, partial: Partial) -> Vector:
        """The vector of a partial in which nobody is refused.

        `UpdateRefusedError` if a counter of the model is not what so many steps make of it: a sum could not tell it.
        """
        assert not partial.refused, "who is refused has no update to mask"
        vector = np.zeros(self.length, np.uint64)
        counts = [partial.folded]
        if isinstance(partial, TrainingPartial):
            self._check_counters(partial.changes.counters())
            for position, values_P in partial.changes.parts():
                vector[position : position + len(values_P)] = values_P.numpy().view(np.uint64)
            counts += [partial.images, *_split(partial.loss_before), *_split(partial.loss_after)]
        else:
            assert isinstance(partial, EnrolmentPartial), "there are two kinds of partials"
            counts += [partial.enrolled_images]
        assert partial.sums is not None, "class embeddings stay with their clients"
        rows, columns = self._triangle
        end = self.values + len(counts)
        vector[self.values : end] = [count % _MODULUS for count in counts]
        vector[end : end + self.size] = _units(partial.sums.first_D, _FIRST_UNITS)
        vector[end + self.size :] = _units(partial.sums.second_DD[rows, columns], _SECOND_UNITS)
        return vector

    def partial(self, vector: Vector, size: int) -> TrainingPartial | EnrolmentPartial:
        """The partial of a vector, which may be anything: nothing is checked yet. It shares the memory of the vector.

        ``size`` is how many bytes were uploaded for it.
        """
        signed = vector.view(np.int64)
        counts_end = self.length - self.size - self.size * (self.size + 1) // 2
        counts = [int(number) for number in signed[self.values : counts_end]]
        first_D = torch.from_numpy(signed[counts_end : counts_end + self.size]).double() / _FIRST_UNITS
        second_DD = torch.zeros(self.size, self.size, dtype=torch.float64)
        rows, columns = self._triangle
        second_DD[rows, columns] = torch.from_numpy(signed[counts_end + self.size :]).double() / _SECOND_UNITS
        second_DD[columns, rows] = second_DD[rows, columns]
        if self.kind is RoundKind.ENROLMENT:
            clients, images = counts
            sums = ClassSums(clients, first_D, second_DD)
            return EnrolmentPartial(unnamed_clients=clients, unnamed_images=images, size=size, sums=sums)
        clients, images, before_low, before_high, after_low, after_high = counts
        return TrainingPartial(
            changes=ExactSum.of(torch.from_numpy(signed[: self.values]), self.counters, self.fraction_bits),
            images=images,
            folded=clients,
            size=size,
            loss_before=_joined(before_low, before_high),
            loss_after=_joined(after_low, after_high),
            sums=ClassSums(0, first_D, second_DD),
        )

    @property
    def _triangle(self) -> tuple[Tensor, Tensor]:
        """Rows and columns of the numbers of a symmetric matrix (D, D) from the diagonal on."""
        rows, columns = torch.triu_indices(self.size, self.size)
        return rows, columns

    def _check_counters(self, found: Tensors) -> None:
        for name, expected in self.counters.items():
            if not torch.equal(found[name], expected):
                raise UpdateRefusedError(
                    RefusalReason.OUT_OF_RANGE,
                    f"{name} is {found[name].tolist()} after training; it must be {expected.tolist()}",
                )


def _units(values: Tensor, units: float) -> Vector:
    """Real numbers, which are whole in this many units, as numbers modulo 2⁶⁴."""
    whole: Vector = (values * units).numpy().astype(np.int64).view(np.uint64)
    return whole


def _split(loss: int) -> tuple[int, int]:
    """A whole number of any sign as two numbers, of which the first is from 0 to 2⁵³ − 1."""
    return loss % (1 << _LOW_BITS), loss >> _LOW_BITS


def _joined(low: int, high: int) -> int:
    """The number whose two parts, or sums of such parts, are given."""
    return low + (high << _LOW_BITS)
