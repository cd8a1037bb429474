"""The strategies that a plan may name, each with its own parameters: what clients minimise, and what the aggregator does
after it has averaged.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictFloat, StrictInt

from fedface_core.domain.plan.cosface import CosFacePlan
from fedface_core.domain.plan.part import LARGEST, MOST, ByName, Count, Decay, PlanPart, PositiveInt, Rate

EmbeddedBy = Literal["trained", "base"]


class FedFacePlan(PlanPart):
    """FedFace (Aggarwal et al., IJCB 2021): class embeddings are fixed on the clients, and spread out on the server."""

    name: Literal["fedface"] = Field(default="fedface", description="Which strategy it is.")


class FedAvgPlan(PlanPart):
    """Federated averaging (McMahan et al., AISTATS 2017) without spreadout, which shows how embeddings collapse."""

    name: Literal["fedavg"] = Field(description="Which strategy it is.")


class FedProxPlan(PlanPart):
    """FedFace with the proximal term of FedProx (Li et al., MLSys 2020) in each client's loss."""

    name: Literal["fedprox"] = Field(description="Which strategy it is.")
    proximal: Annotated[StrictFloat, Field(ge=0, le=LARGEST)] = Field(
        default=0.01, description="μ in μ/2·‖f − f_global‖²; 0 is FedFace."
    )


class FedAwSPlan(PlanPart):
    """FedAwS (Yu et al., ICML 2020): each client learns its class embedding, which is random at first by default."""

    name: Literal["fedaws"] = Field(description="Which strategy it is.")
    class_learning_rate: Rate = Field(
        default=0.05,
        description="The learning rate of a client's class embedding. The schedule changes it as the clients' rate.",
    )


class PublicNegativesPlan(PlanPart):
    """FedFace with the public identities as negatives: clients and aggregator minimise CosFace's loss.

    Choose it if you have the public photographs of the pre-training, together with a server optimiser and augmentation.
    """

    name: Literal["public-negatives"] = Field(description="Which strategy it is.")
    scale: Rate = Field(default=10.0, description="s: the logits are s times the cosines.")
    margin: Decay = Field(default=0.35, description="m: subtracted from the cosine of the true class.")
    public_steps: Count | None = Field(
        default=None,
        description="How many gradient steps the aggregator makes in a round; by default as many as a client, 0 for none.",
    )
    public_batch: PositiveInt | None = Field(
        default=None,
        # Left out of the JSON, so that plans without it keep their digests, and older services read them.
        exclude_if=lambda batch: batch is None,
        description="How many public photographs, drawn anew in each round, a step of the aggregator takes. They are its "
        "weight in the average too. By default all.",
    )
    guidance_every: PositiveInt = Field(
        default=1,
        exclude_if=lambda rounds: rounds == 1,
        description="The class embeddings of the public identities are made anew at enrolment, and in each round whose "
        "number this divides.",
    )
    embedded_by: EmbeddedBy = Field(
        default="trained",
        exclude_if=lambda embedded_by: embedded_by == "trained",  # plans without it are as they were in earlier versions
        description="How a client's class embedding follows the network. `trained`: it is the mean embedding by the network "
        "that the client has trained. `base`: before it trains, it moves half way to the mean embedding by the network that "
        "it starts from. Fused rounds of a study need the latter.",
    )


class GaussianNegativesPlan(PublicNegativesPlan):
    """CosFace against the public identities, if any are used, and against all other clients as one Gaussian.

    Class embeddings stay with their clients: the aggregator keeps the sums Σ w_c and Σ w_c·w_cᵀ only.
    """

    name: Literal["gaussian-negatives"] = Field(description="Which strategy it is.")  # type: ignore[assignment]
    embedded_by: EmbeddedBy = Field(
        default="base",
        description="How a client's class embedding follows the network. `trained`: it is the mean embedding by the network "
        "that the client has trained. `base`: before it trains, it moves half way to the mean embedding by the network that "
        "it starts from. Fused rounds of a study need the latter.",
    )
    contrast: Literal["softmax", "public", "clients"] = Field(
        default="softmax",
        # Left out of the JSON, so that plans without it keep their digests, and older services read them.
        exclude_if=lambda contrast: contrast == "softmax",
        description="Who the negatives are. `softmax`: the public identities, and all other clients as one Gaussian. "
        "`public`: the public identities alone. `clients`: the Gaussian alone, and the aggregator takes no part: nothing "
        "public is used.",
    )
    anchor: Annotated[StrictFloat, Field(ge=0, le=LARGEST)] = Field(
        default=0.0,
        exclude_if=lambda anchor: anchor == 0,
        description="λ: to its loss each client adds λ·(1 − cos) between the embedding of an image and the one by the model "
        "that the first training round started from, so that the network does not drift. Try it where scores fall because "
        "the aggregator takes no steps on public photographs: 10 did well on rendered faces. 0 for none.",
    )


class FedUVPlan(PlanPart):
    """FedUV (Hosseini et al., ICML 2021): a client's class embedding is a codeword, which was drawn and never changes."""

    name: Literal["feduv"] = Field(description="Which strategy it is.")
    message_bits: Annotated[StrictInt, Field(ge=2, le=1024)] = Field(
        default=64,
        description="How many bits are encoded to a codeword: the client's number, and random bits. The more there are, the "
        "nearer two codewords may be.",
    )


class FedFVPlan(PlanPart):
    """FedFV (Liu et al., Multimedia Systems 2022): the server gives embeddings that stand for those of all clients.

    Each of them is the mean of the class embeddings of some clients, and a negative of CosFace's loss.
    """

    name: Literal["fedfv"] = Field(description="Which strategy it is.")
    scale: Rate = Field(default=10.0, description="s: the logits are s times the cosines.")
    margin: Decay = Field(default=0.35, description="m: subtracted from the cosine of the true class.")
    group_size: Annotated[StrictInt, Field(ge=3, le=MOST)] = Field(
        default=4, description="How many clients' class embeddings at least make one negative."
    )
    embedded_by: EmbeddedBy = Field(
        default="trained",
        description="By which network a client makes the class embedding that it uploads: the one that it has `trained`, or "
        "the `base` that it started from. Fused rounds of a study need the latter.",
    )


class FedFRPlan(PlanPart):
    """FedFR (Liu et al., AAAI 2022), for one person a client: clients train on public photographs that look like theirs."""

    name: Literal["fedfr"] = Field(description="Which strategy it is.")
    scale: Rate = Field(default=30.0, description="s: the logits are s times the cosines.")
    margin: Decay = Field(default=0.4, description="m: subtracted from the cosine of the true class.")
    shared_photographs: PositiveInt = Field(
        default=500, description="How many public photographs, drawn once, clients are given; all if there are fewer."
    )
    hard_negatives: PositiveInt = Field(
        default=12,
        description="How many of these each step of a client takes beside its own: those nearest to its class embedding.",
    )
    guidance_every: PositiveInt = Field(
        default=1,
        description="The class embeddings of the public identities are made anew at enrolment, and in each round whose "
        "number this divides.",
    )
    embedded_by: EmbeddedBy = Field(
        default="trained",
        description="By which network a client makes the class embedding that it uploads: the one that it has `trained`, or "
        "the `base` that it started from. Fused rounds of a study need the latter.",
    )


class CentralisedPlan(CosFacePlan):
    """The upper bound: CosFace on the photographs of clients and public identities, pooled in one process.

    Training starts from the plan's model. Each round takes an equal part of the epochs.
    """

    name: Literal["centralised"] = Field(description="Which strategy it is.")
    with_public: bool = Field(
        default=True,
        # Left out of the JSON, so that plans without it keep their digests.
        exclude_if=lambda with_public: with_public,
        description="Whether the public photographs are pooled too. If not, it is the bound of what clients alone can give.",
    )


class PublicOnlyPlan(CosFacePlan):
    """What can be learnt without any client: CosFace on the photographs of the public identities alone.

    It makes as many steps as `centralised` with equal settings, so it sees each public photograph more often.
    """

    name: Literal["public-only"] = Field(description="Which strategy it is.")


class LocalOnlyPlan(PlanPart):
    """The lower bound: each client trains a model of its own, and nothing is averaged."""

    name: Literal["local-only"] = Field(description="Which strategy it is.")
    scored_clients: PositiveInt = Field(
        default=5, description="How many clients train and are scored: the first ones, or all if there are fewer."
    )


class ChainedPlan(PlanPart):
    """FedFace as the paper's public code runs it: each client goes on from the network in which the one before has trained.

    Its momentum goes on too, and class embeddings stay as at enrolment, because the result of spreadout is not used there.
    """

    name: Literal["chained"] = Field(description="Which strategy it is.")


IN_PROCESS = frozenset({"centralised", "public-only", "local-only", "chained"})
"""Strategies for simulations only: services never pool photographs, never score the model of one client, and let the clients
of a round train at the same time."""

ONLY_SUMS = frozenset({"gaussian-negatives"})
"""Strategies whose class embeddings stay with their clients: there is no W, and the aggregator keeps sums only."""

WITHOUT_SPREADOUT = frozenset({"fedavg", "feduv", "fedfv", "fedfr"}) | ONLY_SUMS | IN_PROCESS
"""Strategies that have no spreadout."""

WITH_PUBLIC = frozenset({"public-negatives", "fedfr", "public-only"})
"""Strategies that need public identities: two at least, which can be told apart."""

SYNCHRONOUS = frozenset({"public-negatives", "fedfv", "fedfr"}) | ONLY_SUMS
"""Strategies whose guidance belongs to one round, so that all clients of a round start from one model."""

LONGEST_CODEWORD = 4096
"""The most dimensions in which FedUV has codewords."""


def strategy_name(given: object) -> object:
    """The strategy's name in ``given``: a name, a dictionary or a plan object. Any other value is returned unchanged."""
    name = given.get("name") if isinstance(given, dict) else given
    return getattr(name, "name", name)


def default_initialisation(name: str) -> str:
    """How class embeddings are initialised by default in a plan with the strategy of this name."""
    return "random" if name == "fedaws" else "mean-feature"


StrategyPlan = Annotated[
    FedFacePlan
    | FedAvgPlan
    | FedProxPlan
    | FedAwSPlan
    | PublicNegativesPlan
    | GaussianNegativesPlan
    | FedUVPlan
    | FedFVPlan
    | FedFRPlan
    | CentralisedPlan
    | PublicOnlyPlan
    | LocalOnlyPlan
    | ChainedPlan,
    Field(discriminator="name"),
    ByName,
]
