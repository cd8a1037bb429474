"""What rounds come to: the aggregation of a round, the scores of its model version, and the evaluator's report."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.ids import Sha256


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


class RocCurve(BaseModel):
    """Points of the ROC curve, by growing FAR."""

    model_config = ConfigDict(frozen=True)

    far: list[float]
    tar: list[float]


class VerificationReport(BaseModel):
    """What the evaluator stores of a round, at ``object_keys.report``."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    round: int
    model_sha256: str
    scores: Scores
    roc: RocCurve


def far_label(far: float) -> str:
    """A false accept rate as reports, metrics and tables name it: 0.001 → '1e-3', 0.05 → '5e-2'."""
    mantissa, exponent = f"{far:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
