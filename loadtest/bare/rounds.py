"""Whole rounds of the bare loop in several processes, each of which trains some of the clients and sums their models."""

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

from loadtest.bare.loop import BareLoop, use_one_thread
from loadtest.bare.spreadout import spread
from loadtest.bare.workload import Workload

_READY: Final = "ready"
_ROUND: Final = "round"
_DONE: Final = "done"

Model = dict[str, Tensor]


class BareLoopEndedError(Exception):
    """A process of the bare loop ended by itself; its messages are on standard error."""


@dataclass(frozen=True)
class _WorkerInput:
    """What a process is given; ``model``, ``sums`` and ``class_embeddings_CD`` are memory that it shares with its parent."""

    rank: int
    processes: int
    channels_last: bool
    niceness: int
    workload: Workload
    model: Model
    sums: Model
    class_embeddings_CD: Tensor


class BareRounds:
    """Runs rounds of all clients in ``processes`` processes, which live from enter to exit.

    ``niceness`` is added to that of each process: a loop that is compared with a stack has to have the priority of the
    stack's clients.
    """

    def __init__(self, workload: Workload, processes: int, *, channels_last: bool, niceness: int = 0) -> None:
        loop = BareLoop(workload.network, workload.local, channels_last=channels_last)
        loop.load(workload.initial)
        self.model = _model_in_shared_memory(loop.state)
        """The global model, name → tensor: the initial one, and after each round the average."""
        self.class_embeddings_CD = _in_shared_memory(workload.class_embeddings_CD)
        self._workload = workload
        self._sums = [_model_in_shared_memory(loop.state) for _ in range(processes)]
        self._inputs = [
            _WorkerInput(
                rank, processes, channels_last, niceness, workload, self.model, self._sums[rank], self.class_embeddings_CD
            )
            for rank in range(processes)
        ]
        self._context = get_context("spawn")
        self._connections: list[Connection] = []

    def __enter__(self) -> Self:
        """Start the processes, and return once each has made its network. `BareLoopEndedError` if one ends instead."""
        self._processes = []
        for worker_input in self._inputs:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_work, args=(worker_input, theirs), daemon=True)
            process.start()
            theirs.close()  # so that reading from a process that has ended finds the end of the pipe
            self._processes.append(process)
            self._connections.append(ours)
        self._receive(_READY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the processes: they have nothing to save."""
        for process in self._processes:
            process.kill()
            process.join()
        for connection in self._connections:
            connection.close()

    def round(self) -> float:
        """Train every client, average their models, spread the class embeddings. Returns the seconds that the round took.

        `BareLoopEndedError` if a process has ended.
        """
        began = time.perf_counter()
        self._send(_ROUND)
        self._receive(_DONE)
        clients, images = self._workload.images_CNCHW.shape[:2]
        for name, tensor in self.model.items():
            total = self._sums[0][name]
            for further in self._sums[1:]:
                total.add_(further[name])
            tensor.copy_(total / (clients * images))
        self.class_embeddings_CD.copy_(spread(self.class_embeddings_CD, self._workload.spreadout))
        return time.perf_counter() - began

    def _send(self, message: str) -> None:
        with _raising_if_ended():
            for connection in self._connections:
                connection.send(message)

    def _receive(self, expected: str) -> None:
        with _raising_if_ended():
            for connection in self._connections:
                message = connection.recv()
                assert message == expected


@contextmanager
def _raising_if_ended() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError):
        raise BareLoopEndedError("a process of the bare loop ended; its messages stand above") from None


def _work(worker_input: _WorkerInput, parent: Connection) -> None:
    """A process's main function: train its clients for each message of its parent, until it is killed or the parent ends."""
    os.nice(worker_input.niceness)
    use_one_thread()
    workload = worker_input.workload
    loop = BareLoop(workload.network, workload.local, channels_last=worker_input.channels_last)
    clients, images = workload.images_CNCHW.shape[:2]
    parent.send(_READY)
    while True:
        try:
            parent.recv()
        except (EOFError, ConnectionError):
            return
        for tensor in worker_input.sums.values():
            tensor.zero_()
        for client in range(worker_input.rank, clients, worker_input.processes):
            loop.load(worker_input.model)
            loop.train(workload.images_CNCHW[client], worker_input.class_embeddings_CD[client])
            for name, tensor in loop.state.items():
                worker_input.sums[name].add_(tensor, alpha=images)
        parent.send(_DONE)


def _model_in_shared_memory(model: Model) -> Model:
    return {name: _in_shared_memory(tensor) for name, tensor in model.items()}


def _in_shared_memory(tensor: Tensor) -> Tensor:
    """A copy in shared memory, with the strides of the tensor."""
    copy = tensor.clone()
    copy.share_memory_()  # type: ignore[no-untyped-call]
    return copy
