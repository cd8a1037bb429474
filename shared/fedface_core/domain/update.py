"""What the ledger knows of a client's update: enough to find, check and weigh it, never its tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.ids import Sha256


class AcceptedUpdate(BaseModel):
    """An update as accepted: ``sha256`` pins the bytes, so an object changed afterwards is refused when folded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Sha256
    size: Annotated[int, Field(gt=0, description="Bytes.")]
    images: Annotated[int, Field(gt=0)]
    loss_before: float | None = Field(default=None, description="Mean loss before local training; none at enrolment.")
    loss_after: float | None = Field(default=None, description="Mean loss after local training; none at enrolment.")
    started_from: Sha256 | None = Field(default=None, description="The model version that was trained; none at enrolment.")
    residual_sha256: Sha256 | None = Field(
        default=None, description="What its encoding left out, where the client is to go on from that (error feedback)."
    )


def accepted_digest(accepted: Mapping[str, AcceptedUpdate]) -> str:
    """A name of 16 hexadecimal digits for an accepted set: who, which bytes, with what weight.

    What is made of the set is stored under it, so that a worker which still holds an older set writes beside, never over.
    """
    return digest_in_order((client, accepted[client]) for client in sorted(accepted))


def digest_in_order(accepted: Iterable[tuple[str, AcceptedUpdate]]) -> str:
    """The same of a set that comes in client order, which need not be held at once."""
    digest = hashlib.sha256()
    for client, update in accepted:
        digest.update(f"{client} {update.model_dump_json()}\n".encode())
    return digest.hexdigest()[:16]


class RefusalReason(StrEnum):
    """Why an update did not count. The label values of the metric `fedface_updates_total`."""

    DUPLICATE = "duplicate"
    LATE = "late"
    NOT_INVITED = "not_invited"
    MISSING = "missing"
    TOO_LARGE = "too_large"
    CHANGED = "changed"
    MALFORMED = "malformed"
    WRONG_TENSORS = "wrong_tensors"
    WRONG_SHAPE = "wrong_shape"
    WRONG_DTYPE = "wrong_dtype"
    NOT_FINITE = "not_finite"
    NORM_EXCEEDED = "norm_exceeded"
    WRONG_IMAGE_COUNT = "wrong_image_count"
    WRONG_MODEL = "wrong_model"


class Receipt(BaseModel):
    """The ledger's answer to an acceptance or a failure, from one atomic step."""

    model_config = ConfigDict(frozen=True)

    refused: RefusalReason | None = Field(default=None, description="None where it counted.")
    shard: int | None = Field(default=None, description="The client's shard, where invited.")
    shard_settled: bool = Field(default=False, description="Every client of the shard has been accepted or has failed.")
    round_ready: bool = Field(
        default=False, description="The round is open, and its quorum is reached or every invited client has settled."
    )
