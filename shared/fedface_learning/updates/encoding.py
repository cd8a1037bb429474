"""How a plan's updates are encoded: as the whole model, or as the change of its parameters in fewer bytes.

Only parameters are encoded. Buffers (BatchNorm's statistics, the centre, counters) are uploaded unchanged. They are not sums
of small steps, so a later update could not correct an encoding's error, and a variance below zero would make every feature
NaN. Buffers are one in fifty of MobileFaceNet's numbers; the other networks have the centre only.

With error feedback (Seide et al., 2014; Karimireddy et al., ICML 2019) a client adds a residual to its change: what the
encoding of its last update that is in the model left out (ADR 10).

P numbers are those of all parameters, in the order of the parameters' names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_core.domain.plan import ModelPlan, Plan
from fedface_core.domain.plan.update_encoding import Float16Plan, Float32Plan, Int8Plan, TopKPlan, UpdateEncodingPlan
from fedface_learning.formats.codec import decode_tensors, encode_tensors
from fedface_learning.models import build_network
from fedface_learning.strategies import Tensors
from fedface_learning.updates.change_encodings import ChangeEncoding, Float16, Int8, TopK

_RESIDUAL: Final = "residual_P"
_HEADER_BYTES: Final = 4096  # more than safetensors' framing of one tensor needs


@dataclass(frozen=True)
class UpdateEncoding:
    """Encodes trained models as the tensors of updates, and decodes these."""

    change: ChangeEncoding | None = None
    """How changes are encoded. None: updates are whole models, every tensor unchanged."""
    parameters: tuple[str, ...] = ()
    """The names of the parameters whose changes are encoded, in order. All other tensors are uploaded unchanged."""
    error_feedback: bool = False
    """Whether clients keep residuals."""
    count: int = 0
    """P, the length of an encoded change and of a residual; 0 if updates are whole models."""

    def layout(self, model: Tensors) -> Tensors:
        """Names, shapes and dtypes of the tensors that stand for a model in an update. Allocates no memory for values."""
        return model if self.change is None else {**self._buffers(model), **self.change.layout()}

    def encode(
        self, trained: Tensors, started_from: Tensors, residual_P: Tensor | None = None
    ) -> tuple[Tensors, Tensor | None]:
        """The tensors to upload for the model ``trained``, and with error feedback the new residual (P,), else None.

        ``started_from`` is the global model. ``residual_P`` is the client's residual so far.
        """
        if self.change is None:
            return trained, None
        change_P = self._flat(trained) - self._flat(started_from)
        if residual_P is not None:
            change_P += residual_P
        encoded = self.change.encode(change_P)
        new_residual_P = change_P - self.change.decode(encoded) if self.error_feedback else None
        return {**self._buffers(trained), **encoded}, new_residual_P

    def decode(self, uploaded: Tensors, started_from: Tensors) -> Tensors:
        """The model, by name, that uploaded tensors of the right layout stand for: ``started_from`` plus their change.

        `UpdateRefusedError` if the tensors encode no change.
        """
        if self.change is None:
            return {name: uploaded[name] for name in started_from}
        change_P = self.change.decode(uploaded)
        first = 0
        model = {name: uploaded[name] for name in self._buffers(started_from)}
        for name in self.parameters:
            old = started_from[name]
            model[name] = old + change_P[first : first + old.numel()].view_as(old)
            first += old.numel()
        return model

    def _flat(self, model: Tensors) -> Tensor:
        return torch.cat([model[name].reshape(-1) for name in self.parameters])

    def _buffers(self, model: Tensors) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in model.items() if name not in self.parameters}


WHOLE_MODEL: Final = UpdateEncoding()
"""Updates are whole models, not encoded."""


def update_encoding_of(plan: Plan) -> UpdateEncoding:
    """The update encoding that a plan asks for, for the plan's network."""
    return _encoding_for(plan.model, plan.update_encoding)


@lru_cache(maxsize=16)
def _encoding_for(model: ModelPlan, plan: UpdateEncodingPlan) -> UpdateEncoding:
    if isinstance(plan, Float32Plan):
        return WHOLE_MODEL
    sizes = {name: tensor.numel() for name, tensor in sorted(build_network(model).named_parameters())}
    count = sum(sizes.values())
    change: ChangeEncoding
    match plan:
        case Float16Plan():
            change = Float16(count)
        case Int8Plan():
            change = Int8(tuple(sizes.values()))
        case TopKPlan():
            # Round up, to one number at least. Before that, remove the rounding error of the product.
            change = TopK(count, max(1, ceil(round(plan.share * count, 6))))
    return UpdateEncoding(change, tuple(sizes), plan.error_feedback, count)


def encode_residual(residual_P: Tensor) -> bytes:
    """Encode a residual (P,) as an object."""
    return encode_tensors({_RESIDUAL: residual_P})


def residual_limit(count: int) -> int:
    """The largest size in bytes of the object of a residual with ``count`` numbers."""
    return _HEADER_BYTES + count * torch.float32.itemsize


def decode_residual(data: bytes, count: int) -> Tensor:
    """Decode a residual (P,), where P is ``count``, from the object that `encode_residual` made.

    `DamagedObjectError` if it holds no residual of this length, or one that is not finite.
    """
    tensors, _ = decode_tensors(data)
    if tensors.keys() != {_RESIDUAL}:
        raise DamagedObjectError(f"a residual is one tensor, {_RESIDUAL}, not {', '.join(sorted(tensors)) or 'nothing'}")
    residual_P = tensors[_RESIDUAL]
    if residual_P.dtype is not torch.float32 or residual_P.shape != (count,):
        raise DamagedObjectError(
            f"a residual has {count} float32 numbers; this one is {residual_P.dtype} {tuple(residual_P.shape)}"
        )
    if not bool(residual_P.isfinite().all()):
        raise DamagedObjectError("a residual has finite numbers; this one has others")
    return residual_P
