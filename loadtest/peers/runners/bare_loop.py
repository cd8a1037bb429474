"""The limit: a PyTorch loop in two processes, each with its share of the clients and a running sum, and nothing else.

Network and optimiser are made once for a process, the global model lies in shared memory and is loaded in place, the
weighted sum accumulates in place, and one process averages at the end of the round and spreads the class embeddings.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, cast

import torch
from torch import Tensor, multiprocessing
from torch.multiprocessing.spawn import spawn

from fedface_learning.objectives.spreadout import spread
from loadtest.peers.local_steps import LocalSteps, NetworkName
from loadtest.peers.outcome import Outcome
from loadtest.peers.workload import Workload, one_thread, read_workload

PROCESSES: Final = 2


class _Shared:
    """What the processes share: the global model, W, one running sum each."""

    def __init__(self, workload: Workload, network: NetworkName) -> None:
        own = LocalSteps(workload.plan, network)
        own.load(workload.initial)
        self.model = _shared(own.state)
        self.sums = [_shared(own.state) for _ in range(PROCESSES)]
        self.class_embeddings_CD = _in_shared_memory(workload.class_embeddings_CD)
        self.first_model = _shared(own.state)
        self.barrier = multiprocessing.get_context("spawn").Barrier(PROCESSES)


def run(path: Path, rounds: int, variant: str) -> Outcome:
    """``variant`` is the network: plain or ours."""
    workload, network = read_workload(path), cast("NetworkName", variant)
    shared = _Shared(workload, network)
    moments = _in_shared_memory(torch.zeros(rounds + 1, dtype=torch.float64))
    spawn(_work, (path, rounds, network, shared, moments), nprocs=PROCESSES)  # type: ignore[no-untyped-call]
    return Outcome(tuple(moments.tolist()), shared.first_model)


def _work(rank: int, path: Path, rounds: int, network: NetworkName, shared: _Shared, moments: Tensor) -> None:
    one_thread()
    workload = read_workload(path)
    local, images = LocalSteps(workload.plan, network), len(workload.images_CNCHW[0])
    clients, own_sum = range(rank, len(workload.images_CNCHW), PROCESSES), shared.sums[rank]
    shared.barrier.wait()
    moments[0] = time.time()
    for number in range(rounds):
        for tensor in own_sum.values():
            tensor.zero_()
        for client in clients:
            local.load(shared.model)
            local.train(workload.images_CNCHW[client], shared.class_embeddings_CD[client])
            for name, tensor in local.state.items():
                own_sum[name].add_(tensor, alpha=images)
        shared.barrier.wait()
        if rank == 0:
            _end_round(workload, shared, images)
            moments[number + 1] = time.time()
            if number == 0:
                _copy(shared.model, shared.first_model)
        shared.barrier.wait()


def _end_round(workload: Workload, shared: _Shared, images: int) -> None:
    weight = images * len(workload.images_CNCHW)
    for name, tensor in shared.model.items():
        total = sum(each[name] for each in shared.sums)
        assert isinstance(total, Tensor)
        tensor.copy_(total / weight)
    spread_CD, _ = spread(shared.class_embeddings_CD, workload.plan.spreadout)
    shared.class_embeddings_CD.copy_(spread_CD)


def _shared(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: _in_shared_memory(tensor) for name, tensor in state.items()}


def _in_shared_memory(tensor: Tensor) -> Tensor:
    """A copy there, strides and all."""
    copy = tensor.clone()
    copy.share_memory_()  # type: ignore[no-untyped-call]
    return copy


def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name, tensor in source.items():
        target[name].copy_(tensor)
