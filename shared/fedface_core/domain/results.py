"""The results of a round: its aggregation, the scores of its model version, and its verification report."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fedface_core.domain.ids import RunId, Sha256
from fedface_core.domain.plan.plan import MOST_RATES

MOST_COUNTED: Final = 2**63 - 1
"""The largest count of a record, which is also the largest integer of Redis and numpy."""
COSINE_BINS: Final = 200
"""Bins of equal width over the cosines from −1 to 1: each is a hundredth wide."""
_MOST_POINTS: Final = 10_000
_MOST_BINS: Final = 1000

Counted = Annotated[int, Field(ge=0, le=MOST_COUNTED)]
_Length = Annotated[float, Field(ge=0)]
# What is computed in floats may be a little outside its bounds.
_Share = Annotated[float, Field(ge=-0.001, le=1.001)]
_Cosine = Annotated[float, Field(ge=-1.001, le=1.001)]


class Aggregation(BaseModel):
    """The results of a round's aggregation: the digests of what was stored, and figures about the updates."""

    # Pydantic would write a number that is not finite as null, and null means that there is none.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model_sha256: Sha256 = Field(description="The model version that the round has made.")
    class_embeddings_sha256: Sha256 | None = Field(
        description="The class embeddings that the round has made; none if they stay with their clients."
    )
    server_state_sha256: Sha256 | None = Field(
        default=None, description="What the aggregator keeps for the next round, such as the moments of its optimiser."
    )
    guidance_sha256: Sha256 | None = Field(
        default=None, description="Tensors that every client of the next round may read, if the plan's strategy gives any."
    )
    folded: Counted = Field(description="How many updates the average contains.")
    images: Counted = Field(description="Σ n_c over the folded updates.")
    uploaded_bytes: Counted = Field(description="The size of the folded updates, as the clients uploaded them.")
    refused: dict[str, str] = Field(description="Client → reason, for updates that failed a check when they were folded.")
    clipped: dict[str, _Length] = Field(
        default_factory=dict,
        exclude_if=lambda clipped: not clipped,  # records without it are as they were in earlier versions
        description="Client → the distance of its update from the global model, for updates that were clipped.",
    )
    torch: Annotated[str, Field(max_length=100)] | None = Field(
        default=None,
        exclude_if=lambda torch: torch is None,
        description="The aggregator's version of torch; none in records of versions that did not say.",
    )
    update_norm: _Length | None = Field(description="‖f_new − f_old‖₂ over all parameters; none at enrolment.")
    loss_before: float | None = Field(
        description="The clients' loss before local training: mean over the folded updates, weighted by their images."
    )
    loss_after: float | None = Field(
        default=None, description="The clients' loss after local training, averaged as `loss_before` is."
    )
    spreadout_loss: _Length = Field(description="The spreadout loss after spreadout.")
    mean_off_diagonal_cosine: _Cosine = Field(description="Mean cosine of two class embeddings, after spreadout.")
    max_off_diagonal_cosine: _Cosine | None = Field(
        description="Largest cosine of two class embeddings, after spreadout; none if they stay with their clients."
    )


class Scores(BaseModel):
    """The verification figures of one model version on the test identities."""

    # Pydantic would write a number that is not finite as null, which means unresolved here.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    protocol: Literal["pairs"] = Field(default="pairs", description="How it was scored: all pairs of test images.")
    tar: dict[str, _Share | None] = Field(
        max_length=MOST_RATES, description="FAR (as '1e-3') → TAR; none if there are too few impostor pairs for this FAR."
    )
    auc: _Share = Field(description="The area under the ROC curve.")
    eer: _Share = Field(description="The equal error rate: FAR where it is as large as 1 − TAR.")
    genuine_pairs: Counted = Field(description="Pairs of test images of one identity.")
    impostor_pairs: Counted = Field(description="Pairs of test images of two identities.")
    mean_genuine_cosine: _Cosine = Field(description="Mean cosine of the genuine pairs.")
    mean_impostor_cosine: _Cosine = Field(description="Mean cosine of the impostor pairs.")


class RocCurve(BaseModel):
    """Points of a ROC curve, in order of growing FAR; ``far[i]`` and ``tar[i]`` are one point."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    far: list[_Share] = Field(max_length=_MOST_POINTS, description="False accept rates, growing.")
    tar: list[_Share] = Field(max_length=_MOST_POINTS, description="The true accept rate at each of them.")


class CosineCounts(BaseModel):
    """The histograms of the cosines of all pairs: how many are in each bin. The bins are of equal width, from −1 to 1.

    A bin begins with its lower end and ends before its upper one; the last one has 1 too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    genuine: list[Counted] = Field(min_length=1, max_length=_MOST_BINS, description="Genuine pairs in each bin.")
    impostor: list[Counted] = Field(min_length=1, max_length=_MOST_BINS, description="Impostor pairs in each bin.")

    @model_validator(mode="after")
    def _same_bins(self) -> Self:
        if len(self.genuine) != len(self.impostor):
            raise ValueError(
                f"genuine has {len(self.genuine)} bins and impostor {len(self.impostor)}: they share their bins"
            )
        return self


class VerificationReport(BaseModel):
    """What the evaluator stores about a round's model version, under the key `object_keys.report`.

    Reports of earlier versions have neither thresholds nor cosines.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    run_id: RunId = Field(description="The run.")
    round: Counted = Field(description="The number of the round.")
    model_sha256: Sha256 = Field(description="The model version that was scored.")
    scores: Scores = Field(description="Its scores.")
    roc: RocCurve = Field(description="Its ROC curve.")
    thresholds: dict[str, _Cosine | None] | None = Field(
        default=None,
        max_length=MOST_RATES,
        exclude_if=lambda thresholds: thresholds is None,
        description="FAR (as '1e-3') → the smallest cosine from which a pair is accepted at this FAR; none if there are too "
        "few impostor pairs, or if no genuine pair is accepted.",
    )
    cosines: CosineCounts | None = Field(
        default=None,
        exclude_if=lambda cosines: cosines is None,
        description="The histograms of the cosines of all genuine and all impostor pairs.",
    )


def far_label(far: float) -> str:
    """The name of a false accept rate in reports, metrics and tables: 0.001 → '1e-3', 0.05 → '5e-2'."""
    mantissa, exponent = f"{far:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
