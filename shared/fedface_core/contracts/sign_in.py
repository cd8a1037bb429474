"""The bodies of the control API about who uses it: API keys, who has signed in, and how people sign in."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import ConfigDict, Field, StrictInt

from fedface_core.contracts.http import Body
from fedface_core.domain.api_key import MOST_DAYS, KeyName
from fedface_core.domain.role import Role


class NewKey(Body):
    """A key to make."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="forbid")

    name: KeyName = Field(description="Whose key it is. In audit trails and logs its holder is `key:NAME`.")
    roles: list[Role] = Field(min_length=1, max_length=len(Role), description="What its holder may do.")
    days: StrictInt = Field(default=90, ge=1, le=MOST_DAYS, description="How many days it is good for.")


class KeyView(Body):
    """A key, without its secret."""

    id: str = Field(description="What the key is deleted by.")
    name: str = Field(description="Whose key it is.")
    roles: list[Role] = Field(description="What its holder may do.")
    made_at: datetime = Field(description="When it was made.")
    made_by: str | None = Field(description="The actor who made it.")
    expires_at: datetime = Field(description="From when on nobody signs in with it.")
    last_used: date | None = Field(description="The last day, in UTC, on which it was used.")


class MadeKey(KeyView):
    """A key that was just made."""

    key: str = Field(description="What its holder sends as `Authorization: Bearer`. It is shown now, and never again.")


class KeyList(Body):
    """All keys, in the order of their names."""

    keys: list[KeyView] = Field(description="Each key that was made and not deleted.")


class Me(Body):
    """Who has sent the request."""

    actor: str | None = Field(description="`key:NAME` or `oidc:SUBJECT`; null if nobody has to sign in.")
    roles: list[Role] = Field(description="The actor's roles, and those that these include.")
    sign_in: bool = Field(description="Whether people have to sign in.")


class WaysToSignIn(Body):
    """How people sign in."""

    open: bool = Field(description="Whether nobody has to sign in.")
    issuer: str | None = Field(description="The OIDC issuer whose access tokens the API believes.")
    client_id: str | None = Field(description="The issuer's client for the command line.")
    device_authorization: bool = Field(description="Whether the issuer offers the device authorization grant (RFC 8628).")
    audience: str | None = Field(
        default=None, description="What a client has to ask the issuer for as `audience`, if the issuer wants that."
    )
