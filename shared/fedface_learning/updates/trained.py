"""Updates that are in the memory of the process which trained them, and are not encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.device import on_host
from fedface_learning.formats.safetensors_layout import Place, places_of
from fedface_learning.strategies import Tensors


@dataclass(frozen=True)
class TrainedModels:
    """The parameters and buffers of K clients' models, by name. They may be in memory that the next clients overwrite."""

    stacked: Tensors
    """Those of all clients (K, …), on the device that they were trained on."""

    @property
    def device(self) -> torch.device:
        """Where they were trained."""
        return next(iter(self.stacked.values())).device

    def of(self, index: int) -> Tensors:
        """Those of the client with this index, on the CPU. All K are copied from a GPU when the first is asked for."""
        return {name: tensors[index] for name, tensors in self._on_host.items()}

    def places_beside(self, further: Tensors) -> Mapping[str, Place]:
        """Where the tensors of a client and these further ones would be in an object of its update."""
        if not further:
            return self._places
        return places_of({**self._first, **further})

    @cached_property
    def _places(self) -> Mapping[str, Place]:
        return places_of(self._first)

    @property
    def _first(self) -> Tensors:
        return {name: tensors[0] for name, tensors in self.stacked.items()}

    @cached_property
    def _on_host(self) -> Tensors:
        return on_host(self.stacked)


@dataclass(frozen=True)
class TrainedUpdate:
    """A client's update. There is no object of it, so its SHA-256 stands for none."""

    accepted: AcceptedUpdate
    """What the client declares; the size is that of the object if there were one."""
    models: TrainedModels
    """The models of all clients that trained with this one."""
    index: int
    """Which of them is this client's."""
    further: Tensors
    """What the client uploads beside the model, by name, on the CPU."""

    @property
    def tensors(self) -> Tensors:
        """All tensors of the update, by name, on the CPU."""
        return {**self.models.of(self.index), **self.further}
