"""The plan: everything a run was asked for. Immutable, complete, refused with the name of the wrong field."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from fedface_core.domain.aggregation_plan import AdaptivePlan, AggregationPlan
from fedface_core.domain.cohort import CohortPlan
from fedface_core.domain.device_plan import DevicePlan
from fedface_core.domain.ids import MOST_CLIENTS, client_index
from fedface_core.domain.local_training_plan import LocalTrainingPlan
from fedface_core.domain.plan_part import PlanPart, PositiveInt
from fedface_core.domain.retention_plan import RetentionPlan
from fedface_core.domain.spreadout_plan import SpreadoutPlan
from fedface_core.domain.stopping import StopPlan
from fedface_core.domain.strategy_plan import IN_PROCESS, WITHOUT_SPREADOUT, FedFacePlan, StrategyPlan, strategy_name
from fedface_core.domain.update_encoding_plan import Float32Plan, UpdateEncodingPlan

Architecture = Literal[
    "spherenet-4", "spherenet-10", "spherenet-20", "spherenet-36", "spherenet-64", "mobilefacenet", "dlib-resnet"
]

# One pattern, not a union of types: a wrong value is then one error of one field.
Weights = Annotated[str, StringConstraints(pattern=r"^(random|published|[0-9a-f]{64})$")]

# What an architecture is when a plan only names it: the published configuration of each.
_DEFAULT_SHAPES: dict[str, dict[str, Any]] = {
    "spherenet": {"height": 112, "width": 96, "channels": 3, "embedding_size": 512, "widths": (64, 128, 256, 512)},
    "mobilefacenet": {"height": 112, "width": 112, "channels": 3, "embedding_size": 128, "widths": (64, 128, 128)},
    "dlib": {"height": 150, "width": 150, "channels": 3, "embedding_size": 128, "widths": (32, 64, 128, 256)},
}


class ModelPlan(PlanPart):
    """Which embedding network, of which size, starting from which weights."""

    architecture: Architecture = "dlib-resnet"
    height: PositiveInt
    width: PositiveInt
    channels: Literal[1, 3]
    embedding_size: PositiveInt
    widths: tuple[PositiveInt, ...] = Field(description="Channels of each stage.")
    weights: Weights = Field(
        default="random",
        description="`random` (seeded), `published` (dlib-resnet only: its real pre-trained weights), "
        "or the SHA-256 of a model in the artifact store.",
    )
    centring: bool = Field(
        default=False,
        description="Subtract the clients' mean feature before normalising. Needed where a network's raw cosines "
        "are all high, as dlib's are (about 0.86).",
    )

    @model_validator(mode="before")
    @classmethod
    def _published_shape(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        family = str(given.get("architecture", "dlib-resnet")).split("-")[0]
        # An unknown architecture is the one error to report, not the sizes that nobody can then know.
        defaults = dict(_DEFAULT_SHAPES.get(family, _DEFAULT_SHAPES["spherenet"]))
        if family == "dlib":
            defaults |= {"weights": "published", "centring": True}
        return defaults | given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        family = self.architecture.split("-")[0]
        if family == "dlib":
            fixed = _DEFAULT_SHAPES["dlib"]
            wrong = [name for name, value in fixed.items() if getattr(self, name) != value]
            if wrong:
                raise ValueError(f"dlib-resnet is fixed at {fixed}; leave out {', '.join(wrong)}")
        elif self.weights == "published":
            raise ValueError("only dlib-resnet has published weights; use 'random' or the SHA-256 of a stored model")
        if family == "spherenet" and len(self.widths) != 4:
            raise ValueError(f"spherenet has four stages, so widths needs four numbers, not {len(self.widths)}")
        if family == "mobilefacenet":
            if len(self.widths) != 3:
                raise ValueError(f"mobilefacenet takes three widths, not {len(self.widths)}")
            if self.height % 16 or self.width % 16:
                raise ValueError(f"mobilefacenet halves images four times, so 16 must divide {self.height}×{self.width}")
        return self


class DataPlan(PlanPart):
    """Which photographs. Each client worker opens them by name; they never travel."""

    dataset: Literal["orl", "synthetic", "folder", "recordio"] = "orl"
    folder: str | None = Field(
        default=None,
        description="For `folder` the tree identity/image.{jpg,png,pgm}, for `recordio` where train.rec and train.idx are; "
        "for these only.",
    )
    images_per_identity: PositiveInt | None = Field(
        default=None, description="Use at most this many images of each identity; `synthetic` renders 12 by default."
    )
    images_per_client: PositiveInt | None = Field(
        default=None, description="Of those, a client holds at most this many; public and test identities keep all."
    )
    identities: PositiveInt | None = Field(
        default=None, description="`synthetic`: how many people there are; as many as the split needs by default."
    )
    low_resolution: Annotated[int, Field(ge=4)] | None = Field(
        default=None, description="Reduce each image to this many pixels in height and enlarge it again."
    )
    misalignment: Annotated[float, Field(gt=0, le=0.5)] | None = Field(
        default=None,
        description="Move each photograph at random by up to this share of the frame's width, across and down, scale it by "
        "up to 1 ± this, and turn it by up to this in radians. Not for `synthetic`.",
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        default=0, description="`synthetic` renders other people for other seeds; misalignment moves photographs otherwise."
    )

    @model_validator(mode="after")
    def _folder_where_needed(self) -> Self:
        if (self.dataset in ("folder", "recordio")) != (self.folder is not None):
            raise ValueError("give `folder` (a path) with dataset 'folder' or 'recordio', and with no other data set")
        return self

    @model_validator(mode="after")
    def _only_photographs_are_misaligned(self) -> Self:
        if self.dataset == "synthetic" and self.misalignment is not None:
            raise ValueError("leave `misalignment` out with 'synthetic': its faces are rendered shifted, turned and scaled")
        return self

    @model_validator(mode="after")
    def _only_synthetic_people_are_made_to_number(self) -> Self:
        if self.identities is not None and self.dataset != "synthetic":
            raise ValueError(f"`identities` is for dataset 'synthetic'; '{self.dataset}' has the people that it has")
        return self


class SplitPlan(PlanPart):
    """How many identities are public (pre-training), clients and test. Disjoint, drawn by the seed."""

    public: Annotated[int, Field(ge=0)] = 0
    clients: Annotated[int, Field(gt=0, le=MOST_CLIENTS)] = 20
    test: Annotated[int, Field(ge=2)] = 20
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def identities(self) -> int:
        """How many identities the split needs."""
        return self.public + self.clients + self.test


class Plan(PlanPart):
    """Everything a run was asked for."""

    name: Annotated[str, Field(min_length=1, max_length=80)] = "fedface"
    model: ModelPlan = Field(default_factory=lambda: ModelPlan.model_validate({}))
    data: DataPlan = Field(default_factory=DataPlan)
    split: SplitPlan = Field(default_factory=SplitPlan)
    cohort: CohortPlan = Field(default_factory=CohortPlan)
    strategy: StrategyPlan = Field(
        default_factory=FedFacePlan, description="How clients and aggregator learn: a name, or a name with its parameters."
    )
    initialisation: Literal["mean-feature", "random"] = Field(
        default="mean-feature", description="How class embeddings start. `random` is the ablation, and fedaws's default."
    )
    local_training: LocalTrainingPlan = Field(default_factory=LocalTrainingPlan)
    update_encoding: UpdateEncodingPlan = Field(
        default_factory=Float32Plan, description="How an update travels: a name, or a name with its parameters."
    )
    spreadout: SpreadoutPlan = Field(default_factory=SpreadoutPlan)
    devices: DevicePlan = Field(default_factory=DevicePlan)
    aggregation: AggregationPlan = Field(default_factory=AggregationPlan)
    rounds: PositiveInt = Field(default=8, description="Training rounds to finish after enrolment (round 0).")
    stop: StopPlan = Field(default_factory=StopPlan)
    retention: RetentionPlan = Field(default_factory=RetentionPlan)
    far: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(1e-1, 1e-2, 1e-3, 1e-4), min_length=1, description="False accept rates at which TAR is reported."
    )
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _strategys_initialisation(cls, given: Any) -> Any:
        if not isinstance(given, dict) or strategy_name(given.get("strategy")) != "fedaws":
            return given
        return {"initialisation": "random"} | given

    def rate_shares(self, number: int) -> tuple[float, float]:
        """What the schedule makes of the clients' learning rate and of the server's in round ``number``, as shares.

        An adaptive optimiser steps as far whether changes are large or small: there it is the server's rate that moves.
        """
        share = self.local_training.rate_share(number, self.rounds)
        return (1.0, share) if isinstance(self.aggregation.optimiser, AdaptivePlan) else (share, 1.0)

    @model_validator(mode="after")
    def _cohort_fits(self) -> Self:
        cohort, clients = self.cohort, self.split.clients
        if cohort.wanted(clients) > clients:
            raise ValueError(f"cohort.size is {cohort.size}, but split.clients is only {clients}")
        if cohort.quorum is not None and cohort.quorum > cohort.invited(clients):
            raise ValueError(
                f"cohort.quorum is {cohort.quorum}, but only {cohort.invited(clients)} clients are invited to a round"
            )
        if cohort.minimum > cohort.closing(clients):
            raise ValueError(f"cohort.minimum is {cohort.minimum}, more than the quorum {cohort.closing(clients)}")
        return self

    @model_validator(mode="after")
    def _people_are_enough(self) -> Self:
        people, needed = self.data.identities, self.split.identities
        if people is not None and people < needed:
            raise ValueError(f"data.identities is {people}, but the split needs {needed}")
        return self

    @model_validator(mode="after")
    def _buffer_is_smaller_than_the_cohort(self) -> Self:
        closing, invited = self.cohort.closing(self.split.clients), self.cohort.invited(self.split.clients)
        if self.aggregation.mode == "asynchronous" and closing >= invited:
            raise ValueError(
                f"asynchronous aggregation needs a cohort.quorum (the buffer) below the {invited} clients that train at once"
            )
        return self

    @model_validator(mode="after")
    def _strategy_fits(self) -> Self:
        name = self.strategy.name
        if name in WITHOUT_SPREADOUT and self.spreadout not in (SpreadoutPlan(), SpreadoutPlan(steps=0)):
            raise ValueError(f"spreadout: the strategy {name!r} has none; leave it out")
        if name in IN_PROCESS and self.aggregation != AggregationPlan():
            raise ValueError(f"aggregation: the strategy {name!r} has none; leave it out")
        if name in IN_PROCESS and self.local_training.vectorised_clients > 1:
            raise ValueError(
                f"local_training.vectorised_clients: with the strategy {name!r} no two clients share a model; leave it out"
            )
        if name == "public-negatives" and self.split.public < 2:
            raise ValueError(f"split.public is {self.split.public}; the strategy 'public-negatives' needs 2 at least")
        if name == "public-negatives" and self.aggregation.mode == "asynchronous":
            raise ValueError("aggregation.mode: the strategy 'public-negatives' is synchronous")
        warmup = self.local_training.warmup_rounds
        if warmup >= self.rounds:
            raise ValueError(f"local_training.warmup_rounds is {warmup}; it must be below rounds, {self.rounds}")
        return self

    @model_validator(mode="after")
    def _encoding_fits(self) -> Self:
        encoding = self.update_encoding
        if self.strategy.name in IN_PROCESS and encoding != Float32Plan():
            raise ValueError(f"update_encoding: the strategy {self.strategy.name!r} uploads nothing; leave it out")
        if encoding.error_feedback and self.aggregation.mode == "asynchronous":
            raise ValueError("update_encoding.error_feedback is for synchronous runs: set it to false")
        return self

    @model_validator(mode="after")
    def _stop_looks_at_a_reported_rate(self) -> Self:
        if self.stop.far is not None and self.stop.far not in self.far:
            raise ValueError(f"stop.far is {self.stop.far}, which is not one of the rates in far: {list(self.far)}")
        return self

    @model_validator(mode="after")
    def _traced_clients_exist(self) -> Self:
        for entry in self.devices.trace:
            if client_index(entry.client) >= self.split.clients:
                raise ValueError(f"devices.trace names {entry.client}, but split.clients is only {self.split.clients}")
        return self
