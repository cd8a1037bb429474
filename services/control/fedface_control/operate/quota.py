"""How much whoever creates runs may have the ledger hold, and the machines do."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.domain.budget import DEFAULT_BUDGET, Budget, require_within
from fedface_core.domain.errors import InvalidInputError, TooManyRunsError
from fedface_core.domain.plan import Plan
from fedface_core.ports import RunViews


@dataclass(frozen=True)
class Quota:
    """The most runs that the ledger may hold, the most bytes that the plan of one takes there, as JSON, and what a run may
    cost by its plan.
    """

    runs: int = 10_000
    plan_bytes: int = 2 * 2**20
    budget: Budget = DEFAULT_BUDGET

    def check(self, ledger: RunViews, plan: Plan) -> None:
        """Check that one more run, of this plan, may be created. Requests at the same moment may exceed it by their number.

        `InvalidInputError` if the plan is too large or would cost too much; `TooManyRunsError` if the ledger has as many
        runs as it may hold.
        """
        self.check_plan(plan)
        held = ledger.run_count()
        if held >= self.runs:
            raise TooManyRunsError(
                f"the ledger holds {held} runs, and FEDFACE_API_RUNS allows {self.runs}; delete runs that have ended: "
                "fedface run delete RUN"
            )

    def check_plan(self, plan: Plan) -> None:
        """Check the plan alone. `InvalidInputError` if it is too large or would cost too much."""
        size = len(plan.model_dump_json().encode())
        if size > self.plan_bytes:
            raise InvalidInputError(
                f"the plan takes {size:,} bytes, and {self.plan_bytes:,} are allowed; shorten what is long in it, "
                "such as the trace of the devices"
            )
        require_within(plan, self.budget)


DEFAULT_QUOTA = Quota()
