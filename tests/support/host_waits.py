"""Counts what would have the processor wait for a GPU, without a GPU: torch's device without values stands for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: PLC2701 - torch has no other way to see operations

GPU = torch.device("meta")
_READING = {"aten._local_scalar_dense", "aten.equal", "aten.is_nonzero", "aten.nonzero", "aten.masked_select"}


class HostWaits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within the block, each operation that would wait is noted, and goes on with zeros.

    They are those that read a value there, choose by a mask there, or copy between there and the processor and wait for the
    copy. A wait for an event or a stream is no operation of torch, and is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.noted: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Note the operation if it waits, and compute it as far as there are values."""
        options = dict(kwargs or {})
        options.pop("pin_memory", None)  # needs a GPU
        name = str(func.overloadpacket)
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if name in _READING and first is not None and first.device == GPU:
            self.noted.append(name)
            return {"aten._local_scalar_dense": 0.0}.get(name, False)
        if name == "aten.index" and any(_is_mask(index) for index in args[1]):
            self.noted.append(f"{name} by a mask")
        if name == "aten._to_copy" and first is not None:
            return self._copied(func, first, options)
        if name == "aten.copy_" and GPU in (args[0].device, args[1].device) and args[0].device != args[1].device:
            if not (args[2] if len(args) > 2 else options.get("non_blocking", False)):
                self.noted.append(name)
            return args[0]
        return func(*args, **options)

    def _copied(self, func: Any, tensor: Tensor, options: dict[str, Any]) -> Tensor:
        target = torch.device(options.get("device") or tensor.device)
        if target != tensor.device and GPU in (target, tensor.device) and not options.get("non_blocking", False):
            self.noted.append("aten._to_copy")
        if tensor.device == GPU and target != GPU:
            return torch.zeros(tensor.shape, dtype=options.get("dtype") or tensor.dtype)
        return func(tensor, **options)  # type: ignore[no-any-return]


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.device == GPU and index.dtype in (torch.bool, torch.uint8)
