"""The limit: the same local training in bare PyTorch loops, which sum the models in place and send nothing anywhere.

``python -m fedface_cli.bench.bare_loop INDEX PROCESSES`` reads a plan, a line of JSON, and then trains its share of the
clients once for each further line, answering with a line when it is ready and after each round.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_cli.stack import CLIENT_NICENESS
from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.plan import Plan
from fedface_core.learning.data import open_photographs, split_identities
from fedface_core.learning.enrolment import mean_embedding
from fedface_core.learning.models import EmbeddingNetwork, initial_network
from fedface_core.learning.seeding import use_deterministic_torch

READY, DONE = "ready", "done"


class BareLoopEndedError(FedFaceError):
    """A process of the bare loop ended by itself."""


class BareLoop:
    """One process's clients: their images, their class embeddings, and the network that they start from."""

    def __init__(self, plan: Plan, index: int, processes: int) -> None:
        dataset = open_photographs(plan)
        mine = split_identities(dataset.identities, plan.split).clients[index::processes]
        self._plan = plan
        self._network = initial_network(plan.model, plan.seed)
        self._images = [dataset.images(identity)[: plan.data.images_per_client] for identity in mine]
        self._class_embeddings = [
            normalize(mean_embedding(self._network, images, centring=False), dim=0) for images in self._images
        ]
        self._global = [parameter.detach().clone() for parameter in self._network.parameters()]

    def round(self) -> tuple[list[Tensor], int]:
        """Train every client once from the global model. Returns Σ n_c f_c over the parameters, and Σ n_c."""
        parameters = [*self._network.parameters()]
        sums, images = [torch.zeros_like(parameter) for parameter in parameters], 0
        for images_NCHW, class_embedding_D in zip(self._images, self._class_embeddings, strict=True):
            with torch.no_grad():
                for parameter, started_from in zip(parameters, self._global, strict=True):
                    parameter.copy_(started_from)
            _train(self._network, images_NCHW, class_embedding_D, self._plan)
            with torch.no_grad():
                for total, parameter in zip(sums, parameters, strict=True):
                    total.add_(parameter, alpha=len(images_NCHW))
            images += len(images_NCHW)
        return sums, images


def _train(network: EmbeddingNetwork, images_NCHW: Tensor, class_embedding_D: Tensor, plan: Plan) -> None:
    local = plan.local_training
    optimiser = torch.optim.SGD(network.parameters(), lr=local.learning_rate, momentum=local.momentum)
    for _ in range(local.steps):
        optimiser.zero_grad()
        loss = (local.margin - network(images_NCHW) @ class_embedding_D).clamp(min=0).square().mean()
        torch.autograd.backward(loss)
        optimiser.step()


@contextmanager
def bare_loops(plan: Plan, processes: int) -> Iterator[Sequence[subprocess.Popen[str]]]:
    """So many processes, each ready with its share of the clients, until the end of the ``with``."""
    with ExitStack() as started:
        loops = [started.enter_context(_started(index, processes)) for index in range(processes)]
        for loop in loops:
            _tell(loop, plan.model_dump_json())
        for loop in loops:
            _await(loop, READY)
        yield loops


def bare_round_seconds(loops: Sequence[subprocess.Popen[str]]) -> float:
    """How long a round takes: until the last of the processes is done."""
    began = time.perf_counter()
    for loop in loops:
        _tell(loop, "round")
    for loop in loops:
        _await(loop, DONE)
    return time.perf_counter() - began


@contextmanager
def _started(index: int, processes: int) -> Iterator[subprocess.Popen[str]]:
    # As nice as the stack's clients: on a busy machine the two would otherwise not have the same share of it.
    command = ["nice", "-n", str(CLIENT_NICENESS), sys.executable, "-m", __name__, str(index), str(processes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(  # noqa: S603 - our own module, by the interpreter that runs
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as loop:
        try:
            yield loop
        finally:
            loop.kill()


def _tell(loop: subprocess.Popen[str], line: str) -> None:
    assert loop.stdin is not None
    loop.stdin.write(line + "\n")
    loop.stdin.flush()


def _await(loop: subprocess.Popen[str], word: str) -> None:
    assert loop.stdout is not None
    if loop.stdout.readline().strip() != word:
        raise BareLoopEndedError("a process of the bare loop ended; what it said stands above")


def main() -> None:
    """One process of the loop."""
    use_deterministic_torch(1)
    index, processes = map(int, sys.argv[1:])
    loop = BareLoop(Plan.model_validate_json(sys.stdin.readline()), index, processes)
    loop.round()  # the first one is slower
    print(READY, flush=True)
    for _ in sys.stdin:
        loop.round()
        print(DONE, flush=True)


if __name__ == "__main__":
    main()
