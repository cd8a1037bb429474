"""The part of a plan about aggregation: when updates are averaged, and which optimiser the server applies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictFloat

from fedface_core.domain.plan.part import LARGEST, ByName, Decay, PlanPart, PositiveInt, Rate


class AveragePlan(PlanPart):
    """Federated averaging: the average of the updates is the next model version."""

    name: Literal["average"] = Field(default="average", description="Which optimiser it is.")


class MomentumPlan(PlanPart):
    """SGD with momentum on the server (FedAvgM: Hsu et al., 2019)."""

    name: Literal["momentum"] = Field(description="Which optimiser it is.")
    learning_rate: Rate = Field(default=1.0, description="η: the model moves by so many times the momentum.")
    momentum: Decay = Field(default=0.9, description="β: how much of the earlier changes stays in the momentum.")


class AdaptivePlan(PlanPart):
    """FedAdam or FedYogi (Reddi et al., ICLR 2021), without bias correction in the first rounds, as in the paper.

    Yogi's second moment grows fast with large changes and shrinks slowly after them.
    """

    name: Literal["adam", "yogi"] = Field(description="Which optimiser it is.")
    learning_rate: Rate = Field(default=1e-3, description="η: about how far a parameter moves in a round.")
    beta1: Decay = Field(default=0.9, description="β₁: how much of its mean of the changes stays from round to round.")
    beta2: Decay = Field(default=0.99, description="β₂: how much of its mean of their squares stays from round to round.")
    epsilon: Rate = Field(default=1e-3, description="τ: a parameter whose changes are far below τ hardly moves.")


class SgdPlan(PlanPart):
    """SGD on the server as `torch.optim.SGD` does it: momentum, and weight decay as a part of the gradient.

    The gradient is the clients' mean change divided by their learning rate, with the sign changed. With one local step it is
    that of the mean loss of the round's images, so rate and weight decay mean what they mean in training without clients.
    """

    name: Literal["sgd"] = Field(description="Which optimiser it is.")
    learning_rate: Rate = Field(
        default=0.1, description="η: the highest rate of the schedule, which `local_training.schedule` names."
    )
    momentum: Decay = Field(default=0.9, description="β: how much of the earlier gradients stays in the momentum.")
    weight_decay: Annotated[StrictFloat, Field(ge=0, le=LARGEST)] = Field(
        default=0.0, description="λ: λ times each parameter is added to its gradient, as L2 regularisation does."
    )


OptimiserPlan = Annotated[AveragePlan | MomentumPlan | AdaptivePlan | SgdPlan, Field(discriminator="name"), ByName]


class NormClippingPlan(PlanPart):
    """Each update moves the model by a given distance at most."""

    name: Literal["norm"] = Field(description="Which clipping it is.")
    norm: Annotated[StrictFloat, Field(gt=0, le=1e9)] = Field(
        description="An update that is farther from the global model (L2 over parameters and buffers) is clipped to this."
    )


class MedianClippingPlan(PlanPart):
    """Each update moves the model by a multiple of what the middle update of its round moves it (ADR 30)."""

    name: Literal["median"] = Field(description="Which clipping it is.")
    times: Annotated[StrictFloat, Field(ge=1, le=1000)] = Field(
        default=3.0,
        description="An update that is farther from the global model than this many times the median of its round is "
        "clipped to that distance.",
    )


ClippingPlan = Annotated[NormClippingPlan | MedianClippingPlan, Field(discriminator="name"), ByName]


class AggregationPlan(PlanPart):
    """When updates are averaged: round by round, or as they arrive (FedBuff: Nguyen et al., AISTATS 2022)."""

    mode: Literal["synchronous", "asynchronous"] = Field(
        default="synchronous",
        description="`asynchronous`: the round is a buffer of `cohort.quorum` updates. A client that still trains when the "
        "buffer is full goes on, and its update counts in a later round, with less weight.",
    )
    staleness_exponent: Annotated[StrictFloat, Field(ge=0, le=100)] = Field(
        default=0.5, description="a in the weight 1/(1+τ)^a of an update whose model is τ versions old."
    )
    most_staleness: PositiveInt = Field(
        default=10,
        description="A client that still trains after this many further model versions is replaced, and its update refused.",
    )
    optimiser: OptimiserPlan = Field(
        default_factory=AveragePlan,
        description="How the server moves the global model to the average: a name, or a name with its parameters.",
    )
    clipping: ClippingPlan | None = Field(
        default=None,
        exclude_if=lambda clipping: clipping is None,  # so that plans without it keep their JSON, and older services read it
        description="What is done with updates that are far from the global model, but not so far that they are refused "
        "(`cohort.max_update_norm`): `median` or `norm`, with its parameters. By default they count as they are.",
    )

    @property
    def is_asynchronous(self) -> bool:
        """Whether the next round opens while clients still train and while model versions are still being scored."""
        return self.mode == "asynchronous"

    def staleness_weight(self, staleness: int) -> float:
        """The factor on the weight of an update whose model is τ = ``staleness`` versions old: 1/(1+τ)^a."""
        return float((1 + staleness) ** -self.staleness_exponent)
