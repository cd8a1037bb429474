"""The cohort of a round: which of the enrolled clients are drawn, by the plan's policy and seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from fedface_core.domain.plan import CohortPlan, Plan


class Participation(BaseModel):
    """What a client has done in a run's training rounds so far."""

    model_config = ConfigDict(frozen=True)

    invited: int = 0
    accepted: int = 0

    @property
    def reliability(self) -> float:
        """The share of invitations answered, as Laplace estimates it: 1/2 for a client that nobody knows yet."""
        return (self.accepted + 1) / (self.invited + 2)


def draw_cohort(
    plan: Plan,
    number: int,
    enrolled: Sequence[str],
    history: Mapping[str, Participation] = MappingProxyType({}),
    training: int = 0,
) -> tuple[str, ...]:
    """The clients of a training round, drawn from those ``enrolled``, in client order.

    ``training`` of all invited train already since an earlier round, so that so many fewer are drawn.
    """
    size = min(plan.cohort.invited(plan.split.clients) - training, len(enrolled))
    return draw(plan.cohort, plan.seed, number, enrolled, size, history)


def draw(
    plan: CohortPlan, seed: int, number: int, clients: Sequence[str], size: int, history: Mapping[str, Participation]
) -> tuple[str, ...]:
    """``size`` of the ``clients`` by the plan's policy, seeded by plan and round, in client order."""
    source = random.Random(f"{seed}/{number}")
    candidates = sorted(clients)
    if plan.selection == "uniform":
        return tuple(sorted(source.sample(candidates, size)))
    shuffled = source.sample(candidates, len(candidates))
    known = {client: history.get(client, Participation()) for client in candidates}
    if plan.selection == "balanced":
        ranked = sorted(shuffled, key=lambda client: known[client].invited)
    else:
        # Efraimidis and Spirakis: the largest u^(1/w) are a weighted sample without replacement.
        ranked = sorted(shuffled, key=lambda client: source.random() ** (1 / known[client].reliability), reverse=True)
    return tuple(sorted(ranked[:size]))
