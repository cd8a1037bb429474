"""What each role may do: the operations of the API and the role that each takes, as its OpenAPI document says."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

from fedface_console.control_api import ControlApi
from fedface_core.domain.role import Role, with_included


class _Described(BaseModel):
    summary: str = ""
    security: list[dict[str, list[str]]] = Field(default_factory=list)


class _Document(BaseModel):
    """The parts of an OpenAPI document that say who may call what."""

    paths: dict[str, dict[str, _Described]]


@dataclass(frozen=True)
class Operation:
    """An operation of the API: what it does, how it is called, and which roles may call it."""

    summary: str
    call: str
    roles: frozenset[Role]


async def operations(api: ControlApi) -> list[Operation]:
    """The operations that take a role, in the order of the document."""
    document = await api.get(_Document, "/openapi.json")
    found = []
    for path, methods in document.paths.items():
        for method, described in methods.items():
            scopes = {scope for way in described.security for scopes in way.values() for scope in scopes}
            if scopes:
                roles = frozenset(role for role in Role if scopes <= with_included([role]))
                found.append(Operation(described.summary, f"{method.upper()} {path}", roles))
    return found
