"""Flower's simulation engine (Ray), set up as its documentation recommends for speed.

A client has one CPU, so that there are as many actors as cores, and actors are reused for all clients and rounds. Module
variables of an actor outlive a client, so network, optimiser and images are made once in each actor. Flower's own `FedAvg`
averages the models; only spreadout is added. There is no evaluation, no dashboard and no statistics, and logs are warnings.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

from loadtest.bare.loop import BareLoop, use_one_thread
from loadtest.bare.spreadout import spread
from loadtest.bare.workload import Workload, read_workload
from loadtest.peers.runner_result import RunnerResult

_CORES = 2
client_app = ClientApp()


@lru_cache(maxsize=1)
def _actor_state(path: str) -> tuple[Workload, BareLoop]:
    """What an actor keeps from one client to the next."""
    use_one_thread()
    workload = read_workload(Path(path))
    return workload, BareLoop(workload.network, workload.local, channels_last=True)


@client_app.train()  # type: ignore[untyped-decorator]
def _train(message: Message, context: Context) -> Message:
    workload, local = _actor_state(str(message.content["config"]["workload"]))
    images_NCHW = workload.images_CNCHW[int(context.node_config["partition-id"])]
    local.load(message.content["arrays"].to_torch_state_dict())
    local.train(images_NCHW, torch.from_numpy(message.content["own"]["class-embedding"].numpy()))
    update = {
        "arrays": ArrayRecord(local.state),
        "metrics": MetricRecord({"num-examples": len(images_NCHW)}),
    }
    return Message(RecordDict(update), reply_to=message)


@client_app.query()  # type: ignore[untyped-decorator]
def _answer_partition(message: Message, context: Context) -> Message:
    """Answer which client's images this node holds: Flower numbers its nodes at random."""
    partition = ConfigRecord({"partition-id": int(context.node_config["partition-id"])})
    return Message(RecordDict({"node": partition}), reply_to=message)


class _FedAvgWithSpreadout(FedAvg):  # type: ignore[misc]
    """FedAvg that sends each client its own class embedding, and spreads all class embeddings at the end of a round."""

    def __init__(self, workload: Workload, partitions: dict[int, int]) -> None:
        clients = len(partitions)
        super().__init__(fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
        self._workload = workload
        self._partitions = partitions
        self._class_embeddings_CD = workload.class_embeddings_CD
        self.moments = [time.time()]
        self.first_model: ArrayRecord | None = None

    def configure_train(self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid) -> Iterable[Message]:
        """Add to each of Flower's messages the class embedding of the message's node."""
        for message in super().configure_train(server_round, arrays, config, grid):
            own_D = self._class_embeddings_CD[self._partitions[message.metadata.dst_node_id]]
            own = ArrayRecord({"class-embedding": Array(own_D.numpy())})
            message.content = RecordDict({**message.content, "own": own})
            yield message

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Average the models as Flower does, then spread the class embeddings."""
        arrays, metrics = super().aggregate_train(server_round, replies)
        self._class_embeddings_CD = spread(self._class_embeddings_CD, self._workload.spreadout)
        self.moments.append(time.time())
        self.first_model = self.first_model or arrays
        return arrays, metrics


def run(path: Path, rounds: int, _variant: str) -> RunnerResult:
    """Run Flower's simulation. The actors have started, and have said which clients they hold, before the first moment."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    workload = read_workload(path)
    strategies: list[_FedAvgWithSpreadout] = []
    server_app = ServerApp()

    @server_app.main()  # type: ignore[untyped-decorator]
    def _serve(grid: Grid, _context: Context) -> None:
        strategies.append(_FedAvgWithSpreadout(workload, _find_partitions(grid, len(workload.images_CNCHW))))
        config = ConfigRecord({"workload": str(path)})
        strategies[0].start(grid, ArrayRecord(workload.initial), num_rounds=rounds, train_config=config)

    with tempfile.TemporaryDirectory(prefix="ray-") as logs:
        os.environ |= {"RAY_TMPDIR": logs}
        run_simulation(server_app, client_app, len(workload.images_CNCHW), backend_config=_backend())
    first = strategies[0].first_model
    assert first is not None, "a round has been averaged"
    return RunnerResult(tuple(strategies[0].moments), first.to_torch_state_dict())


def _find_partitions(grid: Grid, clients: int) -> dict[int, int]:
    """Node → the client whose images it holds. Waits until Flower has all nodes."""
    while len(nodes := [*grid.get_node_ids()]) < clients:
        time.sleep(0.1)
    questions = [Message(RecordDict(), dst_node_id=node, message_type="query") for node in nodes]
    answers = grid.send_and_receive(questions, timeout=600.0)
    return {answer.metadata.src_node_id: int(answer.content["node"]["partition-id"]) for answer in answers}


def _backend() -> dict[str, Any]:
    return {
        "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        "init_args": {
            "num_cpus": _CORES,
            "include_dashboard": False,
            "log_to_driver": False,
            "_node_ip_address": "127.0.0.1",
        },
    }
