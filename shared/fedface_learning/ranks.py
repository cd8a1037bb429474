"""Several processes that train one network together, each on a part of every batch, as torchrun starts them.

Each process has the whole network and takes equal steps: gradients are added up before a step, and so all have equal
weights after it. The first process alone reads photographs, writes files and talks. *Rank* is torch's word for the number of
such a process, and for the process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from fedface_core.domain.device_kinds import CUDA, DeviceKind
from fedface_core.domain.errors import FedFaceError, InvalidInputError
from fedface_learning.device import has_gpu

_PATIENCE: Final = timedelta(days=1)
"""How long a process waits for the others: the first one may have millions of photographs to read."""
_TIME_TO_TELL: Final = 5.0
"""Seconds that a process waits for torchrun to end it, once another one has failed: that one tells of it first."""
ValueT = TypeVar("ValueT")


class RankLostError(FedFaceError):
    """Another process of the training has ended, and has not said why."""

    title = "Process"


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together."""

    number: int = 0
    """Its number, from 0."""
    count: int = 1
    """How many processes there are."""

    @property
    def is_first(self) -> bool:
        """Whether this is the process that reads, writes and talks."""
        return self.number == 0

    def take_device(self, kind: DeviceKind) -> None:
        """Compute on a GPU of this process's own, if the kind is ``cuda``. `InvalidInputError` if there are too few."""
        if kind != CUDA or self.count == 1:
            return
        gpus = torch.cuda.device_count()
        if gpus < self.count:
            raise InvalidInputError(
                f"torchrun started {self.count} processes, and torch reaches {gpus} GPUs on this machine: give it "
                f"--nproc-per-node {gpus}"
            )
        torch.cuda.set_device(self.number)

    def part(self, images: int) -> slice:
        """The places in a batch of so many images that are this process's part. Parts differ by one image at most."""
        return slice(images * self.number // self.count, images * (self.number + 1) // self.count)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Put into each tensor, of one dtype and device, the sum over all processes: in all of them equal bits."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _losing_none():
            distributed.all_reduce(flat)
        for tensor, summed in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(summed.view(tensor.shape))

    def from_first(self, value: ValueT | None) -> ValueT:
        """The picklable value, not None, that the first process gives, in all of them; what others give is not used."""
        values = [value]
        if self.count > 1:
            with _losing_none():
                distributed.broadcast_object_list(values, device=torch.device("cpu"))
        [given] = values
        assert given is not None, "the first process gives a value"
        return given

    def wait_for_all(self) -> None:
        """Wait until every process has come here."""
        if self.count > 1:
            with _losing_none():
                distributed.all_reduce(torch.zeros(1))


ALONE: Final = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that torchrun started, for the time of the block; this process alone if torchrun did not start it.

    If the block ends by an exception in one process, torchrun ends all. Only the first process to fail raises its error,
    whichever it is; in the others a `SystemExit` leaves the block. `InvalidInputError` if there are several machines.
    """
    if not distributed.is_torchelastic_launched():
        yield ALONE
        return
    store, number, count = next(rendezvous("env://", timeout=_PATIENCE))
    try:
        _require_one_machine(count)
        # Objects go by gloo between processors, whatever the tensors are on.
        backend = "cpu:gloo,cuda:nccl" if has_gpu() else "gloo"
        distributed.init_process_group(backend, store=store, rank=number, world_size=count, timeout=_PATIENCE)
        yield Ranks(number, count)
    except BaseException:
        if store.add("failed", 1) > 1:
            time.sleep(_TIME_TO_TELL)
            raise SystemExit(1) from None
        raise
    distributed.destroy_process_group()


def _require_one_machine(count: int) -> None:
    if int(os.environ["LOCAL_WORLD_SIZE"]) != count:
        raise InvalidInputError("a pre-training takes the processes of one machine: start torchrun with --nnodes 1")


@contextmanager
def _losing_none() -> Iterator[None]:
    """A block in which processes meet. `RankLostError` if one does not come."""
    try:
        yield
    except RuntimeError as error:  # which gloo and NCCL raise; another process may have told why
        raise RankLostError(
            "another process of this training has ended, perhaps because memory ran out; give the command again, and it "
            "goes on from its checkpoint"
        ) from error
