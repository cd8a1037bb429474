"""What a strategy asks of the other parts of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedface_core.domain.device_kinds import CPU
from fedface_core.domain.plan.aggregation import AggregationPlan
from fedface_core.domain.plan.spreadout import SpreadoutPlan
from fedface_core.domain.plan.strategy import (
    IN_PROCESS,
    LONGEST_CODEWORD,
    SYNCHRONOUS,
    WITH_PUBLIC,
    WITHOUT_SPREADOUT,
    FedFVPlan,
    FedUVPlan,
    GaussianNegativesPlan,
)

if TYPE_CHECKING:
    from fedface_core.domain.plan.plan import Plan


def complaints_about_strategy(plan: Plan) -> Iterator[str]:
    """What does not fit the plan's strategy, each with its field of the plan and what would be right."""
    name = plan.strategy.name
    if name in WITHOUT_SPREADOUT and plan.spreadout not in (SpreadoutPlan(), SpreadoutPlan(steps=0)):
        yield f"spreadout: the strategy {name!r} has none; leave it out"
    if name in IN_PROCESS and plan.aggregation != AggregationPlan():
        yield f"aggregation: the strategy {name!r} has none; leave it out"
    if name in IN_PROCESS and plan.local_training.vectorised_clients > 1:
        yield f"local_training.vectorised_clients: with the strategy {name!r} no two clients share a model; leave it out"
    if name == "chained" and plan.compute.device != CPU:
        yield "compute.device: the strategy 'chained' trains on the CPU alone; leave it out"
    if name == "chained" and not plan.local_training.steps:
        yield "local_training.steps is 0; with the strategy 'chained' each client takes 1 step at least"
    if name in WITH_PUBLIC and plan.split.public < 2:
        yield f"split.public is {plan.split.public}; the strategy {name!r} needs 2 at least"
    if isinstance(plan.strategy, GaussianNegativesPlan):
        yield from _about_contrast(plan, plan.strategy)
    if name in SYNCHRONOUS and plan.aggregation.is_asynchronous:
        yield f"aggregation.mode: the strategy {name!r} is synchronous"
    if plan.only_sums:
        yield from _about_sums(plan)
    yield from _about_rivals(plan)


def _about_contrast(plan: Plan, strategy: GaussianNegativesPlan) -> Iterator[str]:
    if strategy.contrast == "public" and plan.split.public < 2:
        yield "strategy.contrast 'public' needs 2 public identities at least"
    if strategy.contrast == "clients":
        for name, unread in (
            ("public_steps", bool(strategy.public_steps)),
            ("public_batch", strategy.public_batch is not None),
            ("guidance_every", strategy.guidance_every != 1),
        ):
            if unread:
                yield f"strategy.contrast 'clients' uses nothing public: leave out strategy.{name}"


def _about_sums(plan: Plan) -> Iterator[str]:
    name = plan.strategy.name
    if plan.model.centring:
        yield (
            f"model.centring: the centre is made of the clients' mean features, and with the strategy {name!r} these "
            "stay with the clients; set it to false"
        )
    if plan.initialisation == "random":
        yield f"initialisation: with the strategy {name!r} each client makes its own; leave it out"
    if plan.update_encoding.error_feedback:
        yield (
            f"update_encoding.error_feedback: with the strategy {name!r} a client keeps its class embedding from round "
            "to round, and nothing else; set it to false"
        )


def _about_rivals(plan: Plan) -> Iterator[str]:
    strategy = plan.strategy
    clients = plan.split.clients
    size = plan.model.embedding_size
    if isinstance(strategy, FedFVPlan) and clients < 2 * strategy.group_size:
        yield f"strategy.group_size is {strategy.group_size}, and split.clients only {clients}: there must be two groups"
    if isinstance(strategy, FedUVPlan):
        if plan.initialisation == "random":
            yield "initialisation: the strategy 'feduv' draws codewords; leave it out"
        if size > LONGEST_CODEWORD:
            yield f"model.embedding_size is {size}; the strategy 'feduv' has codewords of {LONGEST_CODEWORD} numbers at most"
        if clients > 2**strategy.message_bits:
            yield (
                f"strategy.message_bits is {strategy.message_bits}, too few to tell {clients} clients apart; "
                f"{(clients - 1).bit_length()} or more"
            )
