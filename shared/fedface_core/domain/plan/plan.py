"""The whole plan: everything that a run was asked for. It is immutable and complete; errors name the wrong field."""

from __future__ import annotations

from math import ceil, floor, log2, log10
from typing import Annotated, Literal, Self

from pydantic import Field, StrictFloat, model_validator

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.ids import client_index
from fedface_core.domain.mask_graph import GraphParameters, choose_parameters
from fedface_core.domain.plan.aggregation import AdaptivePlan, AggregationPlan, NormClippingPlan, SgdPlan
from fedface_core.domain.plan.cohort import DEFAULT_SHARD_SIZE, CohortPlan
from fedface_core.domain.plan.compute import ComputePlan, is_default
from fedface_core.domain.plan.data import DataPlan, SplitPlan
from fedface_core.domain.plan.delivery import why_not_combined
from fedface_core.domain.plan.devices import DevicePlan
from fedface_core.domain.plan.fixed_point import LEAST_FRACTION_BITS, fraction_bits, largest_norm_for
from fedface_core.domain.plan.local_training import LocalTrainingPlan
from fedface_core.domain.plan.model import ModelPlan
from fedface_core.domain.plan.part import PlanPart, PositiveInt, Seed, at_most, default_depends
from fedface_core.domain.plan.retention import RetentionPlan
from fedface_core.domain.plan.secure_aggregation import (
    LEAST_SHARD,
    MOST_IN_SHARD,
    SECRECY_BITS,
    SecureAggregationPlan,
    sizes_of_shards,
)
from fedface_core.domain.plan.spreadout import SpreadoutPlan
from fedface_core.domain.plan.stopping import StopPlan
from fedface_core.domain.plan.strategy import (
    IN_PROCESS,
    ONLY_SUMS,
    FedFacePlan,
    FedFRPlan,
    GaussianNegativesPlan,
    PublicNegativesPlan,
    StrategyPlan,
    strategy_name,
)
from fedface_core.domain.plan.strategy_fit import complaints_about_strategy
from fedface_core.domain.plan.update_encoding import Float32Plan, UpdateEncodingPlan
from fedface_core.domain.share import share_of

MOST_RATES = 1000
"""How many false accept rates a plan may ask for."""


class Plan(PlanPart):
    """Everything that a run was asked for. `pydantic.ValidationError` if a field is wrong or contradicts another field."""

    name: Annotated[str, Field(min_length=1, max_length=80)] = Field(
        default="fedface", description="What lists call the run. Several runs may have one name."
    )
    model: ModelPlan = Field(
        default_factory=lambda: ModelPlan.model_validate({}), description="The network that is trained, and where it starts."
    )
    data: DataPlan = Field(default_factory=DataPlan, description="The photographs.")
    split: SplitPlan = Field(default_factory=SplitPlan, description="Which identities are clients, public or for the test.")
    cohort: CohortPlan = Field(default_factory=CohortPlan, description="Whom a round invites, and when it closes.")
    strategy: StrategyPlan = Field(
        default_factory=FedFacePlan,
        description="What clients minimise, and what the aggregator does after it has averaged: a name, or a name with its "
        "parameters.",
    )
    initialisation: Literal["mean-feature", "random"] = Field(
        default="mean-feature",
        json_schema_extra=default_depends,
        description="How class embeddings are initialised. `random` is for the ablation, and the default of `fedaws`.",
    )
    local_training: LocalTrainingPlan = Field(
        default_factory=LocalTrainingPlan, description="What a client does with its images."
    )
    compute: ComputePlan = Field(
        default_factory=ComputePlan, exclude_if=is_default, description="The kind of device, and the precision."
    )
    update_encoding: UpdateEncodingPlan = Field(
        default_factory=Float32Plan, description="How an update is uploaded: a name, or a name with its parameters."
    )
    delivery: Literal["single", "combined"] = Field(
        default="single",
        exclude_if=lambda delivery: delivery == "single",  # so that other plans keep their JSON, and older services read it
        description="`single`: each client uploads its update. `combined`, for simulations: a worker adds up what the "
        "clients that it trains contribute, and uploads the sum. The model is the same to the byte. The aggregator then "
        "cannot check single updates.",
    )
    secure_aggregation: SecureAggregationPlan | None = Field(
        default=None,
        exclude_if=lambda masks: masks is None,  # so that other plans keep their JSON, and older services read it
        description="Whether updates are masked, so that the aggregator learns the sum of each shard and no single update, "
        "and against whom. By default they are not.",
    )
    spreadout: SpreadoutPlan = Field(default_factory=SpreadoutPlan, description="How class embeddings are pushed apart.")
    devices: DevicePlan = Field(
        default_factory=DevicePlan, description="How slow and how reliable the simulated devices are."
    )
    aggregation: AggregationPlan = Field(default_factory=AggregationPlan, description="When and how updates are averaged.")
    rounds: PositiveInt = Field(default=8, description="How many training rounds follow enrolment (round 0).")
    stop: StopPlan = Field(default_factory=StopPlan, description="What completes the run before its last round.")
    retention: RetentionPlan = Field(default_factory=RetentionPlan, description="How long the updates of a round are kept.")
    far: Annotated[tuple[Annotated[StrictFloat, Field(gt=0, lt=1)], ...], at_most(MOST_RATES)] = Field(
        default=(1e-1, 1e-2, 1e-3, 1e-4),
        min_length=1,
        max_length=MOST_RATES,
        description="The false accept rates at which TAR is reported.",
    )
    seed: Seed = Field(default=0, description="The seed of all that is drawn at random, except what has a seed of its own.")

    @model_validator(mode="before")
    @classmethod
    def _with_default_initialisation(cls, given: object) -> object:
        if not isinstance(given, dict) or strategy_name(given.get("strategy")) != "fedaws":
            return given
        return {"initialisation": "random"} | given

    def rate_shares(self, number: int) -> tuple[float, float]:
        """The clients' and the server's learning rate in round ``number``, each as a share of the plan's rate.

        The schedule changes the clients' rate. If the length of the server's step does not depend on the size of the
        clients' changes, as with an adaptive optimiser and with SGD, it changes the server's rate instead.
        """
        share = self.local_training.rate_share(number, self.rounds)
        return (1.0, share) if isinstance(self.aggregation.optimiser, AdaptivePlan | SgdPlan) else (share, 1.0)

    @property
    def most_contributors(self) -> int:
        """How many clients' updates a round sums at most: as many as it invites."""
        return self.cohort.invited(self.split.clients)

    @property
    def fraction_bits(self) -> int:
        """b: the changes of a round are summed in units of 2^-b, fixed for the whole run (`fixed_point.py`)."""
        norm = self.cohort.max_update_norm
        if isinstance(self.aggregation.clipping, NormClippingPlan):
            norm = min(norm, self.aggregation.clipping.norm)
        return fraction_bits(norm, self.data.most_images_of_a_client, self.most_contributors)

    @property
    def only_sums(self) -> bool:
        """Whether class embeddings stay with their clients, so that others have nothing but sums over all of them."""
        return self.strategy.name in ONLY_SUMS

    @property
    def public_in_rounds(self) -> int:
        """How many public identities the strategy uses in rounds: all of the split, or none."""
        strategy = self.strategy
        if isinstance(strategy, GaussianNegativesPlan) and strategy.contrast == "clients":
            return 0
        return self.split.public if isinstance(strategy, PublicNegativesPlan | FedFRPlan) else 0

    @property
    def anchor(self) -> float:
        """λ: how strongly clients hold embeddings near those by the model that training started from; 0 for not at all."""
        return self.strategy.anchor if isinstance(self.strategy, GaussianNegativesPlan) else 0.0

    @property
    def keeps_residuals(self) -> bool:
        """Whether a client keeps something of each update for its next one: see `fedface_core.domain.residuals`."""
        return self.update_encoding.error_feedback or self.only_sums

    def shard_size_for(self, clients: int) -> int:
        """How many clients of a cohort of ``clients`` are in a shard; the last shard has what is left over."""
        masks = self.secure_aggregation
        if masks is not None:
            return masks.shard_size_for(clients, self.cohort.shard_size or DEFAULT_SHARD_SIZE)
        return self.cohort.shard_size_for(clients)

    def least_to_unmask(self, members: int) -> int:
        """Of how many updates a sum of a masked shard with so many members is at least.

        The plan's minimum, and all but those that may drop out: the bounds of `mask_graph` hold for no more of them.
        """
        masks = self.secure_aggregation
        assert masks is not None, "asked of plans with masks only"
        return max(masks.minimum, members - share_of(masks.dropout, members))

    def mask_graph(self, members: int) -> GraphParameters:
        """The graph of a masked shard with so many members. `InvalidInputError` if none is good enough.

        All graphs of a run together are bad with a chance of 2 to the −`SECRECY_BITS` at most: of enrolment, and of each
        round with all its retries.
        """
        masks = self.secure_aggregation
        assert masks is not None, "asked of plans with masks only"
        graphs = (1 + self.rounds * (1 + self.cohort.retries)) * ceil(self.split.clients / LEAST_SHARD)
        bits = SECRECY_BITS + ceil(log2(graphs))
        return choose_parameters(members, masks.corrupt, masks.dropout, masks.against, secrecy_bits=bits)

    @model_validator(mode="after")
    def _cohort_fits(self) -> Self:
        cohort = self.cohort
        clients = self.split.clients
        if cohort.wanted(clients) > clients:
            raise ValueError(f"cohort.size is {cohort.size}, but split.clients is only {clients}")
        if cohort.quorum is not None and cohort.quorum > cohort.invited(clients):
            raise ValueError(
                f"cohort.quorum is {cohort.quorum}, but only {cohort.invited(clients)} clients are invited to a round"
            )
        quorum = cohort.quorum_for(clients)
        if cohort.minimum is not None and cohort.minimum > quorum:
            raise ValueError(f"cohort.minimum is {cohort.minimum}, more than the quorum {quorum}")
        if cohort.minimum_for(clients) > quorum:
            raise ValueError(
                f"a round would close with {quorum} updates, fewer than the {cohort.minimum_for(clients)} that a model is "
                "made of at least, so that it does not tell about single people; to allow it, set cohort.minimum to "
                f"{quorum}"
            )
        return self

    @model_validator(mode="after")
    def _sums_are_fine_enough(self) -> Self:
        bits = self.fraction_bits
        if bits < LEAST_FRACTION_BITS and self.strategy.name not in IN_PROCESS:
            images = self.data.most_images_of_a_client
            largest = largest_norm_for(images, self.most_contributors)
            raise ValueError(
                f"cohort.max_update_norm is {self.cohort.max_update_norm:g}; with up to {images} images a client and "
                f"{self.most_contributors} clients a round, sums of updates would be in units of 2^{-bits}, and they must "
                f"be 2^-{LEAST_FRACTION_BITS} or finer. Lower it to {_rounded_down(largest)} or less, or lower "
                "data.images_per_client or cohort.size"
            )
        return self

    @model_validator(mode="after")
    def _split_fits(self) -> Self:
        identities = self.data.identities
        needed = self.split.identities
        if identities is not None and identities < needed:
            raise ValueError(f"data.identities is {identities}, but the split needs {needed}")
        return self

    @model_validator(mode="after")
    def _buffer_is_smaller_than_the_cohort(self) -> Self:
        quorum = self.cohort.quorum_for(self.split.clients)
        invited = self.cohort.invited(self.split.clients)
        if self.aggregation.is_asynchronous and quorum >= invited:
            raise ValueError(
                f"asynchronous aggregation needs a cohort.quorum (the buffer) below the {invited} clients that train at once"
            )
        return self

    @model_validator(mode="after")
    def _strategy_fits(self) -> Self:
        complaint = next(complaints_about_strategy(self), None)
        if complaint is not None:
            raise ValueError(complaint)
        return self

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        warmup = self.local_training.warmup_rounds
        if warmup >= self.rounds:
            raise ValueError(f"local_training.warmup_rounds is {warmup}; it must be below rounds, {self.rounds}")
        return self

    @model_validator(mode="after")
    def _encoding_fits(self) -> Self:
        encoding = self.update_encoding
        if self.strategy.name in IN_PROCESS and encoding != Float32Plan():
            raise ValueError(f"update_encoding: the strategy {self.strategy.name!r} uploads nothing; leave it out")
        if encoding.error_feedback and self.aggregation.is_asynchronous:
            raise ValueError("update_encoding.error_feedback is for synchronous runs: set it to false")
        return self

    @model_validator(mode="after")
    def _delivery_fits(self) -> Self:
        if self.delivery == "single":
            return self
        found = "; ".join(why_not_combined(self))
        if found:
            raise ValueError(f"delivery: the updates of this plan cannot be combined: {found}")
        return self

    @model_validator(mode="after")
    def _can_be_masked(self) -> Self:
        if self.secure_aggregation is None:
            return self
        reasons = {
            f"strategy: {self.strategy.name!r} uploads more than sums; take 'gaussian-negatives'": not self.only_sums,
            "aggregation.mode: there is no sum to mask in an asynchronous round; take 'synchronous'": (
                self.aggregation.is_asynchronous
            ),
            "aggregation.clipping acts on single updates, and only their sum is known; leave it out": (
                self.aggregation.clipping is not None
            ),
            f"update_encoding: {self.update_encoding.name} encodes single updates; take 'float32'": (
                self.update_encoding != Float32Plan()
            ),
            "delivery: combined updates are known to the worker that adds them; take 'single'": self.delivery != "single",
            f"cohort.shard_size is {self.cohort.shard_size}; take {LEAST_SHARD} to {MOST_IN_SHARD}": (
                self.cohort.shard_size is not None and not LEAST_SHARD <= self.cohort.shard_size <= MOST_IN_SHARD
            ),
        }
        if any(reasons.values()):
            found = "; ".join(reason for reason, holds in reasons.items() if holds)
            raise ValueError(f"secure_aggregation: the updates of this plan cannot be masked: {found}")
        self._require_shards_that_hide(self.secure_aggregation)
        return self

    def _require_shards_that_hide(self, masks: SecureAggregationPlan) -> None:
        """Check, for enrolment and for a training round, that each shard has a graph, and stays large enough to unmask."""
        clients = self.split.clients
        invited = self.cohort.invited(clients)
        for cohort, quorum in ((clients, clients), (invited, self.cohort.quorum_for(clients))):
            if cohort < LEAST_SHARD:
                raise ValueError(
                    f"secure_aggregation: {cohort} clients are invited to a round; their updates hide each other from "
                    f"{LEAST_SHARD} clients on"
                )
            if cohort - quorum > masks.dropout * cohort:
                raise ValueError(
                    f"secure_aggregation.dropout is {masks.dropout:g}, and a round of {cohort} clients closes without "
                    f"{cohort - quorum} of them, which count as dropped out: raise it, or the quorum"
                )
            for size in reversed(sizes_of_shards(cohort, self.shard_size_for(cohort))):
                stay = size - share_of(masks.dropout, size)
                if stay < masks.minimum:
                    raise ValueError(
                        f"secure_aggregation.minimum is {masks.minimum}, but of a shard of {size} clients only {stay} are "
                        "sure to stay: lower it or secure_aggregation.dropout, or raise cohort.shard_size"
                    )
                try:
                    self.mask_graph(size)
                except InvalidInputError as error:
                    raise ValueError(f"secure_aggregation: {error}") from None

    @model_validator(mode="after")
    def _stop_rate_is_reported(self) -> Self:
        if self.stop.far is not None and self.stop.far not in self.far:
            raise ValueError(f"stop.far is {self.stop.far}, which is not one of the rates in far: {list(self.far)}")
        return self

    @model_validator(mode="after")
    def _traced_clients_exist(self) -> Self:
        for entry in self.devices.trace:
            if client_index(entry.client) >= self.split.clients:
                raise ValueError(f"devices.trace names {entry.client}, but split.clients is only {self.split.clients}")
        return self


def _rounded_down(number: float) -> str:
    """The largest decimal number of four digits that is not above ``number``."""
    scale = 10.0 ** (floor(log10(number)) - 3)
    return f"{floor(number / scale) * scale:.4g}"
