"""What the ledger stores about a client's update: enough to find, check and weight the update, but not its tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from fedface_core.domain.ids import Sha256


class AcceptedUpdate(BaseModel):
    """An accepted update. ``sha256`` is the digest of its bytes: an object that is changed later is refused when folded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Sha256
    size: Annotated[int, Field(gt=0, description="Bytes.")]
    images: Annotated[int, Field(gt=0)] | None = Field(
        description="None if the update is masked: it says nothing of itself."
    )
    loss_before: float | None = Field(
        default=None, description="Mean loss before local training; none at enrolment, or if the update is masked."
    )
    loss_after: float | None = Field(
        default=None, description="Mean loss after local training; none at enrolment, or if the update is masked."
    )
    started_from: Sha256 | None = Field(default=None, description="The model version that was trained; none at enrolment.")
    residual_sha256: Sha256 | None = Field(
        default=None, description="What the client keeps of it for its next update, if anything."
    )
    group: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = Field(
        default=None,
        exclude_if=lambda group: group is None,  # so that other updates keep their record, and their digest
        description="The `group_digest` of the clients whose contributions are one object with this one's, if they are.",
    )

    @property
    def declared_images(self) -> int:
        """The number of images of an update that is not masked."""
        assert self.images is not None, "asked of updates that declare it"
        return self.images


def read_acceptance(record: str | bytes) -> AcceptedUpdate:
    """The accepted update in a record of the ledger.

    A client's worker has written the record, so it may be anything, and must not keep the other clients' records from being
    read. One that is no accepted update stands for an update of the record's own bytes, which no object has: it is refused
    when it is folded.
    """
    try:
        return AcceptedUpdate.model_validate_json(record)
    except ValidationError:
        data = record.encode(errors="replace") if isinstance(record, str) else record
        return AcceptedUpdate(sha256=hashlib.sha256(data).hexdigest(), size=len(data) + 1, images=1)


def accepted_digest(accepted: Mapping[str, AcceptedUpdate]) -> str:
    """The digest of an accepted set, 16 hexadecimal digits: of its clients, their updates' bytes and their images (ADR 6).

    The results of the set are stored under this digest. So a worker that still has an older set overwrites no results.
    """
    return digest_in_order((client, accepted[client]) for client in sorted(accepted))


def digest_in_order(accepted: Iterable[tuple[str, AcceptedUpdate]]) -> str:
    """The digest of an accepted set that is given in client order, one (client, update) pair at a time.

    It equals `accepted_digest` of the whole set, but the set need not be in memory at once.
    """
    digest = hashlib.sha256()
    for client, update in accepted:
        digest.update(f"{client} {update.model_dump_json()}\n".encode())
    return digest.hexdigest()[:16]


def group_digest(clients: Iterable[str]) -> str:
    """The digest of who is in a combined update, 16 hexadecimal digits: the object is stored under it."""
    return hashlib.sha256("\n".join(sorted(clients)).encode()).hexdigest()[:16]


class RefusalReason(StrEnum):
    """Why an update was refused. The values are labels of the metric `fedface_updates_total`."""

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
    OUT_OF_RANGE = "out_of_range"
    WRONG_IMAGE_COUNT = "wrong_image_count"
    WRONG_MODEL = "wrong_model"
    UNUSABLE = "unusable"
    """Something that no check foresaw went wrong with it."""
    UNSIGNED = "unsigned"
    NOT_UNMASKED = "not_unmasked"
    """The masks of its shard could not be taken out of the sum, or were not to be."""


class Receipt(BaseModel):
    """The ledger's answer when a client settles."""

    model_config = ConfigDict(frozen=True)

    refused: RefusalReason | None = Field(default=None, description="None if the client has settled by this call.")
    shard: int | None = Field(default=None, description="The client's shard; none if the client is not invited.")
    shard_settled: bool = Field(default=False, description="Whether every client of the shard has settled.")
    round_ready: bool = Field(
        default=False,
        description="Whether the round is open, and its quorum is reached or every invited client has settled.",
    )
