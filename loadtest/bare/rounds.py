"""Whole rounds of the bare loop in several processes, each with its share of the clients and a running sum."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self

from torch import Tensor
from torch.multiprocessing import get_context

from loadtest.bare.loop import BareLoop, one_thread
from loadtest.bare.spreadout import spread
from loadtest.bare.workload import Workload

_READY: Final = "ready"
_ROUND: Final = "round"
_DONE: Final = "done"

Model = dict[str, Tensor]


class BareLoopEndedError(Exception):
    """A process of the bare loop ended by itself; what it said went to standard error."""


@dataclass(frozen=True)
class _Share:
    """What one process is given: its place among the others, and the memory that it shares with their parent."""

    rank: int
    processes: int
    channels_last: bool
    niceness: int
    workload: Workload
    model: Model
    sums: Model
    class_embeddings_CD: Tensor


class BareRounds:
    """One round after another of all clients, in so many processes, between enter and exit.

    ``niceness`` is added to that of each process: to be compared with a stack, the loop has to have the priority of its
    clients.
    """

    def __init__(self, workload: Workload, processes: int, *, channels_last: bool, niceness: int = 0) -> None:
        loop = BareLoop(workload.network, workload.local, channels_last=channels_last)
        loop.load(workload.initial)
        self.model = _shared(loop.state)
        """The global model: the initial one, and after each round the average."""
        self.class_embeddings_CD = _in_shared_memory(workload.class_embeddings_CD)
        self._workload = workload
        self._sums = [_shared(loop.state) for _ in range(processes)]
        self._shares = [
            _Share(
                rank, processes, channels_last, niceness, workload, self.model, self._sums[rank], self.class_embeddings_CD
            )
            for rank in range(processes)
        ]
        self._context = get_context("spawn")
        self._ends: list[Connection] = []

    def __enter__(self) -> Self:
        """Start the processes, and return once each has its network."""
        self._processes = []
        for share in self._shares:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_work, args=(share, theirs), daemon=True)
            process.start()
            theirs.close()  # so that reading from a process that has ended finds the end of the pipe
            self._processes.append(process)
            self._ends.append(ours)
        self._await(_READY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the processes: they have nothing to leave in good order."""
        for process in self._processes:
            process.kill()
            process.join()
        for end in self._ends:
            end.close()

    def round(self) -> float:
        """Train every client, average their models, spread the class embeddings. Returns the seconds that it took."""
        began = time.perf_counter()
        self._tell(_ROUND)
        self._await(_DONE)
        clients, images = self._workload.images_CNCHW.shape[:2]
        for name, tensor in self.model.items():
            total = self._sums[0][name]
            for further in self._sums[1:]:
                total.add_(further[name])
            tensor.copy_(total / (clients * images))
        self.class_embeddings_CD.copy_(spread(self.class_embeddings_CD, self._workload.spreadout))
        return time.perf_counter() - began

    def _tell(self, word: str) -> None:
        with _ended_is_an_error():
            for end in self._ends:
                end.send(word)

    def _await(self, word: str) -> None:
        with _ended_is_an_error():
            for end in self._ends:
                told = end.recv()
                assert told == word


@contextmanager
def _ended_is_an_error() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError):
        raise BareLoopEndedError("a process of the bare loop ended; what it said stands above") from None


def _work(share: _Share, parent: Connection) -> None:
    """One process: train its clients each time that it is told to, until it is killed or its parent has ended."""
    os.nice(share.niceness)
    one_thread()
    workload = share.workload
    loop = BareLoop(workload.network, workload.local, channels_last=share.channels_last)
    clients, images = workload.images_CNCHW.shape[:2]
    parent.send(_READY)
    while True:
        try:
            parent.recv()
        except (EOFError, ConnectionError):
            return
        for tensor in share.sums.values():
            tensor.zero_()
        for client in range(share.rank, clients, share.processes):
            loop.load(share.model)
            loop.train(workload.images_CNCHW[client], share.class_embeddings_CD[client])
            for name, tensor in loop.state.items():
                share.sums[name].add_(tensor, alpha=images)
        parent.send(_DONE)


def _shared(model: Model) -> Model:
    return {name: _in_shared_memory(tensor) for name, tensor in model.items()}


def _in_shared_memory(tensor: Tensor) -> Tensor:
    """A copy there, strides and all."""
    copy = tensor.clone()
    copy.share_memory_()  # type: ignore[no-untyped-call]
    return copy
