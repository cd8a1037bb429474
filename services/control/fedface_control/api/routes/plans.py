"""Plans: check one without creating a run of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import ValidationError

from fedface_control.api.problems import MOST_ERRORS
from fedface_control.api.routes.runs import INVALID, PLAN_EXAMPLES, QuotaDep
from fedface_control.auth.roles import Role, requires
from fedface_control.operate.plan_check import objections
from fedface_core.contracts.field_problems import field_problem
from fedface_core.contracts.http import FieldProblem, PlanCheck, PlanCost
from fedface_core.domain.cost import plan_cost
from fedface_core.domain.plan import Plan

router = APIRouter(tags=["plans"])


@router.post("/plans:check", responses=INVALID, dependencies=[requires(Role.OPERATOR)])
def check_plan(plan: Annotated[dict[str, Any], Body(openapi_examples=PLAN_EXAMPLES)], quota: QuotaDep) -> PlanCheck:
    """Say whether a run of this plan would be created: each wrong field, the plan with its defaults, and what it costs.

    Nothing is created. A plan that is not valid is no error of this operation: the status is 200, and `valid` is false.
    """
    try:
        whole = Plan.model_validate(plan)
    except ValidationError as error:
        wrong = [field_problem(Plan, found, plan) for found in error.errors()[:MOST_ERRORS]]
        return PlanCheck(valid=False, errors=wrong, plan=None, cost=None)
    against = [FieldProblem(field=found.field, message=found.message) for found in objections(whole, quota)]
    return PlanCheck(valid=not against, errors=against, plan=whole, cost=PlanCost(**asdict(plan_cost(whole))))
