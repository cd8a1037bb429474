"""The strategy of a plan: how clients and aggregator learn, by name, with the parameters of that strategy alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fedface_core.domain.plan.cosface import CosFacePlan
from fedface_core.domain.plan.part import PlanPart, PositiveInt


class FedFacePlan(PlanPart):
    """The paper's (Aggarwal et al., IJCB 2021): class embeddings fixed on the clients, and spread on the server."""

    name: Literal["fedface"] = "fedface"


class FedAvgPlan(PlanPart):
    """Plain federated averaging (McMahan et al., AISTATS 2017): no spreadout, which shows the collapse."""

    name: Literal["fedavg"]


class FedProxPlan(PlanPart):
    """FedFace with the proximal term of FedProx (Li et al., MLSys 2020) in each client's loss."""

    name: Literal["fedprox"]
    proximal: Annotated[float, Field(ge=0)] = Field(default=0.01, description="μ in μ/2·‖f − f_global‖²; 0 is FedFace.")


class FedAwSPlan(PlanPart):
    """FedAwS (Yu et al., ICML 2020): each client learns its class embedding, from a random one by default."""

    name: Literal["fedaws"]
    class_learning_rate: Annotated[float, Field(gt=0)] = Field(
        default=0.05,
        description="At which a client learns its class embedding, times the schedule's share of the clients' rate.",
    )


class PublicNegativesPlan(PlanPart):
    """FedFace with the public identities as negatives: CosFace on the clients, and on the aggregator beside them.

    Choose it where the public photographs of the pre-training are at hand, with a server optimiser and augmentation.
    """

    name: Literal["public-negatives"]
    scale: Annotated[float, Field(gt=0)] = Field(default=10.0, description="s: the logits are s times the cosines.")
    margin: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.35, description="m: taken off the true cosine.")
    public_steps: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="The aggregator's own gradient steps in a round; as many as a client's by default, 0: none.",
    )


class CentralisedPlan(CosFacePlan):
    """The upper bound: CosFace on the photographs of clients and public identities, pooled in one process.

    It starts from the plan's model, and each round is an equal part of the epochs.
    """

    name: Literal["centralised"]


class LocalOnlyPlan(PlanPart):
    """The lower bound: each client goes on training its own model, and nothing is averaged."""

    name: Literal["local-only"]
    scored_clients: PositiveInt = Field(default=5, description="The first so many (or all) train and are scored.")


IN_PROCESS = frozenset({"centralised", "local-only"})
"""What only a simulation runs: services never pool photographs, and never score a client's own model."""

WITHOUT_SPREADOUT = frozenset({"fedavg"}) | IN_PROCESS


def strategy_name(given: Any) -> Any:
    """The name in what a user gave for the strategy, which may be anything."""
    name = given.get("name") if isinstance(given, dict) else given
    return getattr(name, "name", name)


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


StrategyPlan = Annotated[
    FedFacePlan | FedAvgPlan | FedProxPlan | FedAwSPlan | PublicNegativesPlan | CentralisedPlan | LocalOnlyPlan,
    Field(discriminator="name"),
    BeforeValidator(_named),
]
