"""The limit: the same local training in bare PyTorch loops, which sum the models in place and send nothing anywhere.

``python -m loadtest.bench.bare_loop INDEX PROCESSES LAYOUT`` reads a plan, a line of JSON, and then trains its share
of the clients once for each further line, answering with a line when it is ready and after each round.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.plan import Plan
from fedface_learning.client.enrolment import mean_embedding
from fedface_learning.data import open_photographs, split_identities
from fedface_learning.models import initial_network
from fedface_learning.seeding import use_deterministic_torch
from fedface_stack.stack import CLIENT_NICENESS
from loadtest.bench.plain_torch import PlainLoop

READY, DONE = "ready", "done"

Layout = Literal["plain", "channels-last"]
"""How the weights and pixels lie in memory: as torch lays them by default, or as its convolutions are fastest with."""


class BareLoopEndedError(FedFaceError):
    """A process of the bare loop ended by itself."""


class BareLoop:
    """One process's clients: their images, their class embeddings, and the loop that they train in."""

    def __init__(self, plan: Plan, index: int, processes: int, layout: Layout) -> None:
        dataset = open_photographs(plan)
        mine = split_identities(dataset.identities, plan.split).clients[index::processes]
        network = initial_network(plan.model, plan.seed)
        self._loop = PlainLoop(plan, channels_last=layout == "channels-last")
        self._images = [dataset.images(identity)[: plan.data.images_per_client] for identity in mine]
        means = [mean_embedding(network, images_NCHW, centring=False) for images_NCHW in self._images]
        self._class_embeddings = [normalize(mean_D, dim=0) for mean_D in means]

    def round(self) -> tuple[dict[str, Tensor], int]:
        """Train every client once from the global model. Returns Σ n_c f_c by name, and Σ n_c."""
        sums: dict[str, Tensor] = {}
        images = 0
        for images_NCHW, class_embedding_D in zip(self._images, self._class_embeddings, strict=True):
            for name, tensor in self._loop.train(images_NCHW, class_embedding_D).items():
                if name not in sums:
                    sums[name] = torch.zeros_like(tensor)
                sums[name].add_(tensor, alpha=len(images_NCHW))
            images += len(images_NCHW)
        return sums, images


@contextmanager
def bare_loops(plan: Plan, processes: int, layout: Layout) -> Iterator[Sequence[subprocess.Popen[str]]]:
    """So many processes, each ready with its share of the clients, until the end of the ``with``."""
    with ExitStack() as started:
        loops = [started.enter_context(_started(index, processes, layout)) for index in range(processes)]
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
def _started(index: int, processes: int, layout: Layout) -> Iterator[subprocess.Popen[str]]:
    # As nice as the stack's clients: on a busy machine the two would otherwise not have the same share of it.
    command = ["nice", "-n", str(CLIENT_NICENESS), sys.executable, "-m", __name__, str(index), str(processes), layout]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as loop:
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
    index, processes = map(int, sys.argv[1:3])
    layout: Layout = "channels-last" if sys.argv[3] == "channels-last" else "plain"
    loop = BareLoop(Plan.model_validate_json(sys.stdin.readline()), index, processes, layout)
    loop.round()  # the first one is slower
    print(READY, flush=True)
    for _ in sys.stdin:
        loop.round()
        print(DONE, flush=True)


if __name__ == "__main__":
    main()
