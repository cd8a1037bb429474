"""Bodies of the control API about people and plans: what the commands rely on in an answer, which may say more."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from fedface_core.contracts.http import FieldProblem, RoundList
from fedface_core.domain.plan import Plan


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class SignIn(_Answer):
    """How people sign in at an API."""

    open: bool = Field(description="Whether everybody is taken for an admin, without a sign-in.")
    issuer: str | None = Field(default=None, description="The OIDC issuer whose access tokens are believed.")
    client_id: str | None = Field(default=None, description="By which id commands present themselves to the issuer.")
    device_authorization: bool = Field(default=False, description="Whether the issuer lets devices sign in (RFC 8628).")


class Me(_Answer):
    """Who asks."""

    actor: str | None = Field(description="`key:NAME` or `oidc:SUBJECT`; none if the API is open.")
    roles: list[str]


class ApiKey(_Answer):
    """An API key, without its secret."""

    id: str
    name: str
    roles: list[str]
    made_at: datetime
    made_by: str | None = None
    expires_at: datetime
    last_used: date | None = None


class NewKey(ApiKey):
    """An API key that was just made."""

    key: SecretStr = Field(description="What its holder sends. It is shown once.")


class KeyList(_Answer):
    """All API keys."""

    keys: list[ApiKey]


class PlanCost(_Answer):
    """What a run of a plan costs, estimated from the plan alone; bytes are those of all clients in all rounds."""

    steps: int
    multiplications: int
    bytes_up: int
    bytes_down: int
    parameters: int


class PlanCheck(_Answer):
    """What an API says of a plan."""

    valid: bool
    errors: list[FieldProblem] = Field(default_factory=list)
    plan: Plan | None = None
    cost: PlanCost | None = None


class RoundPage(RoundList):
    """Some rounds of a run, and after which number the next ones come; None if there are no more."""

    next: int | None = None
