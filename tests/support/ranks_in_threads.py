"""Ranks as threads of this process, for tests: they meet at a barrier, and add up in the order of their numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from fedface_learning.ranks import Ranks

ResultT = TypeVar("ResultT")


@dataclass
class _Meeting:
    """What the threads share."""

    barrier: threading.Barrier
    brought: dict[int, Any] = field(default_factory=dict)

    def all_of(self, number: int, value: Any) -> list[Any]:
        """What every thread brings, by number, once all have come."""
        self.brought[number] = value
        self.barrier.wait(60)
        values = [self.brought[each] for each in sorted(self.brought)]
        self.barrier.wait(60)
        return values


@dataclass(frozen=True)
class ThreadRanks(Ranks):
    """A rank in a thread."""

    meeting: _Meeting = field(kw_only=True)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """As in `Ranks`."""
        brought = self.meeting.all_of(self.number, [tensor.clone() for tensor in tensors])
        for tensor, *parts in zip(tensors, *brought, strict=True):
            tensor.copy_(torch.stack(parts).sum(dim=0))

    def from_first(self, value: Any) -> Any:
        """As in `Ranks`."""
        return self.meeting.all_of(self.number, value)[0]

    def wait_for_all(self) -> None:
        """As in `Ranks`."""
        self.meeting.all_of(self.number, None)


def in_ranks(count: int, work: Callable[[Ranks], ResultT]) -> list[ResultT]:
    """``work(ranks)`` in so many threads at once, and their results by number."""
    meeting = _Meeting(threading.Barrier(count))
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(work, [ThreadRanks(number, count, meeting=meeting) for number in range(count)]))
