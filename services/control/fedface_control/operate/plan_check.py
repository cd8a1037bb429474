"""What keeps a valid plan from becoming a run: texts that cannot be shown, a strategy for one process, too high a cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fedface_control.operate.quota import Quota
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.free_text import check_texts
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import IN_PROCESS


@dataclass(frozen=True)
class Objection:
    """Why no run of a plan is created."""

    field: str
    """The field that is wrong, such as ``split.clients``; empty if several are."""
    message: str


def require_suited(plan: Plan) -> None:
    """`InvalidInputError` unless services can carry out a run of the plan, whatever it costs."""
    for objection in _unsuited(plan):
        raise InvalidInputError(f"{objection.field}: {objection.message}" if objection.field else objection.message)


def objections(plan: Plan, quota: Quota) -> Iterator[Objection]:
    """Every objection to the plan, and to what it costs."""
    yield from _unsuited(plan)
    try:
        quota.check_plan(plan)
    except InvalidInputError as error:
        yield Objection("", str(error))


def _unsuited(plan: Plan) -> Iterator[Objection]:
    try:
        check_texts(plan)
    except InvalidInputError as error:
        yield Objection("", str(error))
    if plan.strategy.name in IN_PROCESS:
        yield Objection(
            "strategy",
            f"{plan.strategy.name!r} is not for services, which never pool photographs nor score a client's own "
            "model; simulate it with `fedface simulate`, or choose another strategy",
        )
