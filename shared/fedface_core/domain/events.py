"""Facts: what happened, reported to control, which alone changes phases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.ids import RunId, Sha256


class FactBase(BaseModel):
    """Common to all facts; unknown fields and versions are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
    run_id: RunId


class ModelPrepared(FactBase):
    """The initial model version is in the store."""

    kind: Literal["model_prepared"] = "model_prepared"
    model_sha256: Sha256


class RoundReady(FactBase):
    """A round may be ready to close. Control looks for itself: a message of an earlier life of the round closes nothing."""

    kind: Literal["round_ready"] = "round_ready"
    round: Annotated[int, Field(ge=0)]
    because: Literal["settled", "deadline", "operator"] = Field(
        description="`settled`: the quorum is reached, or no invited client is awaited any more."
    )


class Aggregation(BaseModel):
    """What the aggregator made of a round."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_sha256: Sha256
    class_embeddings_sha256: Sha256
    server_state_sha256: Sha256 | None = Field(
        default=None, description="What the aggregator keeps for its next round: moments of its optimiser, what it learnt."
    )
    guidance_sha256: Sha256 | None = Field(
        default=None, description="What every client of the next round may read; by the plan's strategy."
    )
    folded: int = Field(description="Updates in the average.")
    images: int = Field(description="Σ n_c over the folded updates.")
    uploaded_bytes: int = Field(description="Size of the folded updates, as they were uploaded.")
    refused: dict[str, str] = Field(description="Client → reason, for updates that failed a check when folded.")
    update_norm: float | None = Field(description="‖f_new − f_old‖₂ over all parameters; none at enrolment.")
    loss_before: float | None = Field(description="Image-weighted mean over the folded updates.")
    loss_after: float | None = None
    spreadout_loss: float = Field(description="After spreadout.")
    mean_off_diagonal_cosine: float = Field(description="Of the class embeddings, after spreadout.")
    max_off_diagonal_cosine: float


class RoundAggregated(FactBase):
    """The round's model version and class embeddings are in the store."""

    kind: Literal["round_aggregated"] = "round_aggregated"
    round: Annotated[int, Field(ge=0)]
    accepted_digest: str = Field(description="Of the accepted set that was averaged, by `accepted_digest`.")
    aggregation: Aggregation


class Scores(BaseModel):
    """Verification of one model version on the test identities."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["pairs"] = "pairs"
    tar: dict[str, float | None] = Field(description="FAR (as '1e-3') → TAR; none where too few impostor pairs resolve it.")
    auc: float
    eer: float
    genuine_pairs: int
    impostor_pairs: int
    mean_genuine_cosine: float
    mean_impostor_cosine: float


class RoundEvaluated(FactBase):
    """The round's report is in the store."""

    kind: Literal["round_evaluated"] = "round_evaluated"
    round: Annotated[int, Field(ge=0)]
    model_sha256: Sha256 = Field(description="The model version that was scored.")
    scores: Scores


class EvaluationSkipped(FactBase):
    """An operator asked not to score the round's model version."""

    kind: Literal["evaluation_skipped"] = "evaluation_skipped"
    round: Annotated[int, Field(ge=0)]


class StepFailed(FactBase):
    """A service found that the run cannot go on (wrong weights, unreadable data…): the reason is for the operator."""

    kind: Literal["step_failed"] = "step_failed"
    round: Annotated[int, Field(ge=0)] | None = Field(description="None before round 0, while the model is prepared.")
    reason: str
    fresh_cohort_may_help: bool = Field(default=False, description="It is the round that failed, and not its run.")


Fact = Annotated[
    ModelPrepared | RoundReady | RoundAggregated | RoundEvaluated | EvaluationSkipped | StepFailed,
    Field(discriminator="kind"),
]


def far_label(far: float) -> str:
    """A false accept rate as reports, metrics and tables name it: 0.001 → '1e-3', 0.05 → '5e-2'."""
    mantissa, exponent = f"{far:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
