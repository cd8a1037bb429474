"""How a plan's updates travel: as the whole model, or as what a client changed of its parameters, in fewer bytes.

Of a change, only the parameters are encoded. Buffers go along as they are: BatchNorm's statistics, the centre and counters
are no sums of small steps, so that what an encoding leaves out of one could not be made up for later, and a variance that
came out below zero would make every feature NaN. They are one in fifty of MobileFaceNet's numbers; the other networks have
the centre only.

With error feedback (Seide et al., 2014; Karimireddy et al., ICML 2019) a client adds to its change what was left out of its
last one that counted, its residual. P numbers of all parameters, in the order of their names.
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


@dataclass(frozen=True)
class UpdateEncoding:
    """Turns trained models into the tensors of updates, and back."""

    change: ChangeEncoding | None = None
    """How changes are written down. None: updates are whole models, every tensor as it is."""
    parameters: tuple[str, ...] = ()
    """The names of what is encoded, in order. All other tensors of the model travel as they are."""
    error_feedback: bool = False

    def layout(self, model: Tensors) -> Tensors:
        """What the model's part of an update must look like: names, shapes, dtypes. Allocates nothing."""
        return model if self.change is None else {**self._buffers(model), **self.change.layout()}

    def encode(
        self, trained: Tensors, started_from: Tensors, residual_P: Tensor | None = None
    ) -> tuple[Tensors, Tensor | None]:
        """The tensors to upload of a ``trained`` model, and with error feedback the residual (P,) that they leave."""
        if self.change is None:
            return trained, None
        change_P = self._flat(trained) - self._flat(started_from)
        if residual_P is not None:
            change_P += residual_P
        encoded = self.change.encode(change_P)
        left_P = change_P - self.change.decode(encoded) if self.error_feedback else None
        return {**self._buffers(trained), **encoded}, left_P

    def decode(self, uploaded: Tensors, started_from: Tensors) -> Tensors:
        """The model that an upload of the right layout stands for: ``started_from`` and its change.

        `UpdateRefusedError` where it stands for no change.
        """
        if self.change is None:
            return {name: uploaded[name] for name in started_from}
        change_P, first = self.change.decode(uploaded), 0
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


def update_encoding_of(plan: Plan) -> UpdateEncoding:
    """The plan's update encoding, for the plan's network."""
    return _bound(plan.model, plan.update_encoding)


@lru_cache(maxsize=16)
def _bound(model: ModelPlan, plan: UpdateEncodingPlan) -> UpdateEncoding:
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
            # At least the share, one number at least, and the count that was meant where floats miss it by a hair.
            change = TopK(count, max(1, ceil(round(plan.share * count, 6))))
    return UpdateEncoding(change, tuple(sizes), plan.error_feedback)


def encode_residual(residual_P: Tensor) -> bytes:
    """A residual as an object."""
    return encode_tensors({_RESIDUAL: residual_P})


def decode_residual(data: bytes) -> Tensor:
    """The inverse of `encode_residual`. `DamagedObjectError` where the object holds no residual."""
    tensors, _ = decode_tensors(data)
    if tensors.keys() != {_RESIDUAL}:
        raise DamagedObjectError(f"a residual is one tensor, {_RESIDUAL}, not {', '.join(sorted(tensors)) or 'nothing'}")
    return tensors[_RESIDUAL]
