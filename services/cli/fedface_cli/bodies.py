"""Bodies of the control API about people and plans: what the commands rely on in an answer, which may say more."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from fedface_core.contracts.http import FieldProblem
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
    made_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_on: date | None = None


class NewKey(ApiKey):
    """An API key that was just made."""

    key: SecretStr = Field(description="What its holder sends. It is shown once.")


class KeyList(_Answer):
    """All API keys."""

    keys: list[ApiKey]

    @model_validator(mode="before")
    @classmethod
    def _a_bare_list_is_all_of_it(cls, given: object) -> object:
        return {"keys": given} if isinstance(given, list) else given


class PlanCost(_Answer):
    """What a run of a plan costs, estimated from the plan alone. Bytes are those of one run, all clients together."""

    steps: float | None = None
    multiplications: float | None = None
    bytes_up: float | None = None
    bytes_down: float | None = None
    parameters: float | None = None


class PlanCheck(_Answer):
    """What an API says of a plan."""

    valid: bool
    errors: list[FieldProblem] = Field(default_factory=list)
    plan: Plan | None = None
    cost: PlanCost | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_bare_error_has_no_field(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("errors"), list):
            return given
        errors = [{"field": "", "message": error} if isinstance(error, str) else error for error in given["errors"]]
        return given | {"errors": errors}
