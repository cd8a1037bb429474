"""The cohort of a round: which of the enrolled clients are drawn, by the plan's policy and seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from fedface_core.domain.plan import CohortPlan, Plan


class Participation(BaseModel):
    """How often a client was invited and accepted in the training rounds of a run so far."""

    model_config = ConfigDict(frozen=True)

    invited: int = 0
    accepted: int = 0

    @property
    def reliability(self) -> float:
        """The share of answered invitations, by Laplace's rule of succession: 1/2 for a client never invited."""
        return (self.accepted + 1) / (self.invited + 2)


def draw_cohort(
    plan: Plan,
    number: int,
    enrolled: Sequence[str],
    history: Mapping[str, Participation] = MappingProxyType({}),
    training: int = 0,
) -> tuple[str, ...]:
    """The clients drawn for a training round from the ``enrolled`` clients, in client order.

    ``number`` is the round's number and ``history`` the clients' participation so far. ``training`` clients still train
    since an earlier round (asynchronous runs); the cohort is drawn smaller by that number.
    """
    size = min(plan.cohort.invited(plan.split.clients) - training, len(enrolled))
    return draw(plan.cohort, plan.seed, number, enrolled, size, history)


def draw(
    plan: CohortPlan, seed: int, number: int, clients: Sequence[str], size: int, history: Mapping[str, Participation]
) -> tuple[str, ...]:
    """``size`` clients drawn from ``clients`` by the plan's selection policy, in client order.

    The draw depends on the plan's ``seed``, the round's ``number`` and the clients' ``history``, and on nothing else.
    """
    generator = random.Random(f"{seed}/{number}")
    candidates = sorted(clients)
    if plan.selection == "uniform":
        return tuple(sorted(generator.sample(candidates, size)))
    shuffled = generator.sample(candidates, len(candidates))
    participation = {client: history.get(client, Participation()) for client in candidates}
    if plan.selection == "balanced":
        ranked = sorted(shuffled, key=lambda client: participation[client].invited)
    else:
        # Efraimidis and Spirakis (2006): the largest u^(1/w) are a weighted sample without replacement.
        ranked = sorted(
            shuffled, key=lambda client: generator.random() ** (1 / participation[client].reliability), reverse=True
        )
    return tuple(sorted(ranked[:size]))
