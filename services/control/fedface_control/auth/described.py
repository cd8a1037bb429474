"""Sign-in in the OpenAPI document: which answers each operation may give, and which issuer there is."""

from __future__ import annotations

from typing import Any, Final

from fedface_control.auth.roles import OPENID_CONNECT
from fedface_control.auth.sign_in import SignIn
from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE

_PROBLEM: Final = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_SIGNED_IN: Final = {
    "401": "Nobody has signed in, or the credentials are not to be believed.",
    "403": "Who has signed in has not the role that this takes; or a page of another site has sent the request.",
    "429": "The actor, or the address, has sent more than it may. `Retry-After` says when to ask again.",
}
_ANY: Final = {"421": "The request is for a host that this API is not."}
_BODY: Final = {"415": "The body is not declared to be JSON."}


def describe_sign_in(described: dict[str, Any], sign_in: SignIn) -> None:
    """Add to the OpenAPI document the answers of `fedface_control.auth`, and the issuer of ``sign_in``, if it has one."""
    issuer = sign_in.tokens.issuer.url if sign_in.tokens is not None else None
    schemes = described["components"].get("securitySchemes", {})
    if issuer is None:
        schemes.pop(OPENID_CONNECT, None)
    elif OPENID_CONNECT in schemes:
        schemes[OPENID_CONNECT]["openIdConnectUrl"] = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    for operations in described["paths"].values():
        for method, operation in operations.items():
            secured = operation.get("security", [])
            answers = _ANY | (_SIGNED_IN if secured else {})
            if "requestBody" in operation and method != "put":
                answers = answers | _BODY
            for status, description in answers.items():
                operation["responses"].setdefault(status, {"description": description, "content": _PROBLEM})
            if secured:
                ways = [way for way in secured if way and (issuer is not None or OPENID_CONNECT not in way)]
                operation["security"] = [{}, *ways] if sign_in.open else ways  # {}: it may be called without any
