"""When updates are averaged, and what the aggregator makes of the average."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fedface_core.domain.plan.part import PlanPart, PositiveInt

_Rate = Annotated[float, Field(gt=0)]
_Decay = Annotated[float, Field(ge=0, lt=1)]


class AveragePlan(PlanPart):
    """The average is the next model version."""

    name: Literal["average"] = "average"


class MomentumPlan(PlanPart):
    """SGD with momentum on the server (FedAvgM: Hsu et al., 2019)."""

    name: Literal["momentum"]
    learning_rate: _Rate = 1.0
    momentum: _Decay = 0.9


class AdaptivePlan(PlanPart):
    """FedAdam or FedYogi (Reddi et al., ICLR 2021), as they have them: without a correction of the first rounds' bias.

    Yogi's second moment grows with large changes and shrinks slowly after them.
    """

    name: Literal["adam", "yogi"]
    learning_rate: _Rate = Field(default=1e-3, description="η: about how far a parameter moves in a round.")
    beta1: _Decay = 0.9
    beta2: _Decay = 0.99
    epsilon: _Rate = Field(default=1e-3, description="τ: changes of a parameter that are well below it count for little.")


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


OptimiserPlan = Annotated[AveragePlan | MomentumPlan | AdaptivePlan, Field(discriminator="name"), BeforeValidator(_named)]


class AggregationPlan(PlanPart):
    """When updates are averaged: round by round, or as they come (FedBuff, Nguyen et al., AISTATS 2022)."""

    mode: Literal["synchronous", "asynchronous"] = Field(
        default="synchronous",
        description="`asynchronous`: the round is a buffer of `cohort.quorum` updates; who is not done when it is full "
        "goes on training, and is counted in a later round, with less weight.",
    )
    staleness_exponent: Annotated[float, Field(ge=0)] = Field(
        default=0.5, description="a in the weight 1/(1+τ)^a of an update whose model is τ versions old."
    )
    most_staleness: PositiveInt = Field(
        default=10, description="A client that is not done after so many further versions is replaced, its update refused."
    )
    optimiser: OptimiserPlan = Field(
        default_factory=AveragePlan,
        description="What takes the global model towards the average: a name, or a name with its parameters.",
    )

    @property
    def is_asynchronous(self) -> bool:
        """Whether the next round begins while clients still train, and while a model version is still being scored."""
        return self.mode == "asynchronous"

    def staleness_weight(self, staleness: int) -> float:
        """What an update counts for, whose model is so many versions old."""
        return float((1 + staleness) ** -self.staleness_exponent)
