"""Deposits: what a client of a masked round puts into the store beside its update, and the ledger records (ADR 41)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.update import RefusalReason


class Deposit(StrEnum):
    """The kinds of deposits. A client gives one of each kind in a round at most: the first one counts."""

    DEVICE_KEYS = "device_keys"
    """The public keys of its device, at enrolment."""
    KEY_BUNDLE = "key_bundle"
    """A key of the round, and shares of the client's secrets for its neighbours."""
    SIGNATURE = "signature"
    """Its signature of the accepted set of its shard."""
    REVELATION = "revelation"
    """One share for each of its neighbours."""


class DepositReceipt(BaseModel):
    """The ledger's answer when a client makes a deposit."""

    model_config = ConfigDict(frozen=True)

    refused: RefusalReason | None = Field(default=None, description="None if the deposit was recorded by this call.")
    shard: int | None = Field(default=None, description="The client's shard; none if the client is not invited.")
    deposited: int = Field(default=0, description="How many clients of the shard have made a deposit of this kind.")
