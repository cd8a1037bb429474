"""The class sums, Σ w_c and Σ w_c·w_cᵀ over clients: all that one needs of class embeddings to push away from them.

A client's part of the sums is w_c and w_c·w_cᵀ. The sums are exact: a class embedding is a multiple of 2⁻¹⁵ in every
dimension, so a product is a multiple of 2⁻³⁰, and float64 holds the sum of four million of them without rounding. So sums
are equal in whatever order parts were added, and a part that is taken out leaves nothing behind.

Suffixes of tensor names: D dimensions, K class embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.errors import DamagedObjectError

LENGTH_TOLERANCE: Final = 1e-3
"""How far the length of a class embedding may be from 1: rounding to the grid changes it by √D·2⁻¹⁶ at most."""
BEFORE_AND_AFTER: Final = "class_embeddings_2D"
"""The tensor (2, D) of a training update: the class embedding that is in the sums, and the one that takes its place."""
_STEPS: Final = 2**15
_CLIENTS = "class_sums/clients"
_FIRST = "class_sums/first_D"
_SECOND = "class_sums/second_DD"
NAMES: Final = frozenset({_CLIENTS, _FIRST, _SECOND})
"""The names of the tensors that hold class sums."""


def on_the_grid(direction_D: Tensor) -> Tensor:
    """The class embedding (D,), float32, of a direction: at unit length, then rounded to multiples of 2⁻¹⁵."""
    return (normalize(direction_D.double(), dim=0) * _STEPS).round().div(_STEPS).float()


def is_on_the_grid(class_embeddings_KD: Tensor) -> bool:
    """Whether every number (K, D) is a multiple of 2⁻¹⁵."""
    steps_KD = class_embeddings_KD.double() * _STEPS
    return bool((steps_KD == steps_KD.round()).all())


@dataclass(frozen=True)
class Gaussian:
    """Class embeddings as others see them: their number, mean and covariance."""

    count: int
    mean_D: Tensor
    covariance_DD: Tensor


@dataclass(frozen=True)
class ClassSums:
    """The sums over some clients, or what a round changes of such sums. Float64."""

    clients: int
    """How many class embeddings they are of; in a change, how many more."""
    first_D: Tensor
    """Σ w_c."""
    second_DD: Tensor
    """Σ w_c·w_cᵀ."""

    @classmethod
    def empty(cls, size: int) -> Self:
        """The sums over no client, where D is ``size``."""
        return cls(0, torch.zeros(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64))

    @classmethod
    def part_of(cls, class_embedding_D: Tensor) -> Self:
        """The part of one client with this class embedding (D,), which must be on the grid for sums to be exact."""
        wide_D = class_embedding_D.double()
        return cls(1, wide_D, wide_D.unsqueeze(-1) * wide_D.unsqueeze(-2))

    def __add__(self, other: ClassSums) -> ClassSums:
        """The sums over the clients of both."""
        return ClassSums(self.clients + other.clients, self.first_D + other.first_D, self.second_DD + other.second_DD)

    def __sub__(self, other: ClassSums) -> ClassSums:
        """The sums without the clients of ``other``."""
        return ClassSums(self.clients - other.clients, self.first_D - other.first_D, self.second_DD - other.second_DD)

    def gaussian(self) -> Gaussian | None:
        """Number, mean and covariance (divided by the number) of the class embeddings; None if there are none.

        The covariance of one class embedding is exactly 0.
        """
        if self.clients < 1:
            return None
        mean_D = self.first_D / self.clients
        covariance_DD = self.second_DD / self.clients - mean_D.unsqueeze(-1) * mean_D.unsqueeze(-2)
        return Gaussian(self.clients, mean_D, covariance_DD)

    @property
    def mean_cosine(self) -> float:
        """The mean of w_c·w_c' over all pairs of different clients, (‖Σ w_c‖² − t) / t(C − 1) with t = Σ ‖w_c‖² = C but for
        rounding; 0 for one client. It is never above 1, whatever the rounding.
        """
        if self.clients < 2:
            return 0.0
        trace = float(self.second_DD.trace())
        return (float(self.first_D @ self.first_D) - trace) / (trace * (self.clients - 1))

    def tensors(self) -> dict[str, Tensor]:
        """The sums as tensors by name, to be stored or given to clients."""
        return {_CLIENTS: torch.tensor(self.clients), _FIRST: self.first_D, _SECOND: self.second_DD}

    @classmethod
    def of_checked(cls, tensors: Mapping[str, Tensor]) -> Self:
        """The sums among tensors that `read` has checked. So a step need not wait for a GPU to look at them once more."""
        return cls(int(tensors[_CLIENTS]), tensors[_FIRST], tensors[_SECOND])

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor], size: int) -> Self:
        """The sums among stored tensors, where D is ``size``. `DamagedObjectError` if no such clients have these sums.

        Class embeddings are of unit length. So the trace of the second sum is their number, the first sum is no longer than
        that, and the second one is symmetric.
        """
        sums = cls.read_change(tensors)
        if len(sums.first_D) != size:
            raise DamagedObjectError(f"these class sums have {len(sums.first_D)} dimensions; they must have {size}")
        slack = 3 * LENGTH_TOLERANCE * abs(sums.clients)
        trace = float(sums.second_DD.trace())
        length = float(torch.linalg.vector_norm(sums.first_D))
        if not (sums.clients >= 0 and abs(trace - sums.clients) <= slack and length <= sums.clients + slack):
            raise DamagedObjectError(
                f"class sums of {sums.clients} clients have that trace, and a first sum no longer than that; these have a "
                f"trace of {trace:.6g} and a first sum of length {length:.6g}"
            )
        return sums

    @classmethod
    def read_change(cls, tensors: Mapping[str, Tensor]) -> Self:
        """What a partial adds to class sums, from stored tensors: less is known of it than of sums.

        `DamagedObjectError` if tensors are missing, of other shapes or types, not finite or not symmetric.
        """
        try:
            clients = tensors[_CLIENTS]
            first_D = tensors[_FIRST]
            second_DD = tensors[_SECOND]
        except KeyError as error:
            raise DamagedObjectError(f"class sums need the tensor {error}") from None
        size = len(first_D) if first_D.dim() == 1 else 0
        if not size or (clients.shape, second_DD.shape) != ((), (size, size)):
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (clients, first_D, second_DD))
            raise DamagedObjectError(f"class sums have the shapes (), (D,) and (D, D); these have {shapes}")
        if clients.dtype is not torch.int64 or {first_D.dtype, second_DD.dtype} != {torch.float64}:
            raise DamagedObjectError("class sums are an int64 number of clients and float64 sums; these have other types")
        if not (bool(first_D.isfinite().all()) and bool(second_DD.isfinite().all()) and torch.equal(second_DD, second_DD.T)):
            raise DamagedObjectError("class sums are finite, and the second one is symmetric; these are not")
        return cls(int(clients), first_D, second_DD)
