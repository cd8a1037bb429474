"""What share of a round signatures take: runs of all services in this process, on a Valkey and a store of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

from pydantic import BaseModel

from fedface_aggregator.fold import fold_shard
from fedface_aggregator.prepare import prepare_model
from fedface_aggregator.reduce import reduce_round
from fedface_client.carry_out_task import carry_out_task
from fedface_client.list_identities import list_identities
from fedface_control.facts import handle_fact_of_its_run
from fedface_control.operate.run import create_run, start_run
from fedface_core.domain.commands import (
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    ListIdentities,
    PrepareModel,
    ReduceRound,
    TrainClients,
)
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED, RunPhase
from fedface_core.ports import Ports
from fedface_core.signing.keys import own_keys
from fedface_evaluator.evaluate import evaluate_model
from fedface_worker.workbench import Workbench
from loadtest.bench.reference_workload import reference_plan
from loadtest.bench.repetitions import Repeated
from loadtest.bench.report import BenchmarkReport
from loadtest.bench.signature_meter import SignatureMeter, SignedMessages, metered_signatures

ROUNDS: Final = 2
"""Training rounds of a run. Enrolment is not counted."""


class SignatureShares(BaseModel):
    """The processor time that signatures took in the training rounds of some runs."""

    percent: Repeated
    """Of the processor time of all services."""
    milliseconds_of_a_client: Repeated
    """For each client of a round."""


class SignatureReport(BenchmarkReport):
    """What `fedface bench signatures` reports."""

    artifacts: Literal["directory", "s3"]
    clients: int
    shares: dict[str, SignatureShares]
    """What the clients do → the share."""


MOBILEFACENET: Final[dict[str, Any]] = {"architecture": "mobilefacenet", "height": 112, "width": 112, "channels": 3}
"""A plan's part `model`: a network for phones, of a million parameters."""


def plans(clients: int) -> dict[str, Plan]:
    """What the clients do → the plan: the reference workload, the same without a gradient step, and a larger network.

    The larger network is trained by a tenth of the clients, for a client takes ten times as long.
    """
    reference = reference_plan(clients, ROUNDS)
    idle = reference.model_copy(update={"local_training": reference.local_training.model_copy(update={"steps": 0})})
    larger = reference_plan(max(3, clients // 10), ROUNDS).model_dump() | {"model": MOBILEFACENET}
    return {
        "train 294,128 parameters": reference,
        "train none": idle,
        "train MobileFaceNet": Plan.model_validate(larger),
    }


def measure_shares(ports: Ports, plan: Plan, repetitions: int) -> SignatureShares:
    """Carry out the plan's run ``repetitions`` times, on these ports, whose store signs nothing yet."""
    measured = [measure_run(ports, plan) for _ in range(repetitions)]
    clients = plan.cohort.size or plan.split.clients
    assert clients is not None, "the plan says how many clients there are"
    return SignatureShares(
        percent=Repeated(values=tuple(100 * spent / whole for spent, whole in measured)),
        milliseconds_of_a_client=Repeated(values=tuple(1000 * spent / ROUNDS / clients for spent, _ in measured)),
    )


def measure_run(ports: Ports, plan: Plan) -> tuple[float, float]:
    """Carry out one run. Returns the seconds of processor time that signatures took in its training rounds, and all."""
    meter = SignatureMeter()
    messages = SignedMessages(own_keys(), meter)
    store = metered_signatures(ports.artifacts, own_keys(), meter)
    signed = replace(ports, artifacts=store, publisher=messages, signatures=store)
    handlers = services(signed)
    run = create_run(signed, plan)
    start_run(signed, run.id, "start")
    start = time.process_time()
    while (message := messages.take()) is not None:
        command, correlation_id = message
        handlers[type(command)](command, correlation_id)
        if run.round in (None, 0) and signed.ledger.load(run.id).round == 1:
            run = signed.ledger.load(run.id)
            meter.reset()
            start = time.process_time()
    whole = time.process_time() - start
    ended = signed.ledger.load(run.id)
    assert ended.phase in ENDED, "all messages are carried out"
    assert ended.phase is RunPhase.COMPLETED, ended.failure
    return meter.seconds, whole


def services(ports: Ports) -> dict[type[BaseModel], Callable[[Any, str], None]]:
    """The handler of each command, as the services register them, each service with a workbench of its own."""
    client, aggregator, evaluator = (Workbench(ports) for _ in range(3))
    return {
        ListIdentities: partial(list_identities, client),
        EnrolClients: partial(carry_out_task, client),
        TrainClients: partial(carry_out_task, client),
        PrepareModel: partial(prepare_model, aggregator),
        FoldShard: partial(fold_shard, aggregator),
        ReduceRound: partial(reduce_round, aggregator),
        EvaluateModel: partial(evaluate_model, evaluator),
        HandleFact: partial(handle_fact_of_its_run, ports),
    }
