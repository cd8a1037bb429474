"""Dead letters: the newest messages between services that a worker has dropped."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from fedface_control.api.routes.runs import INVALID, PortsDep
from fedface_control.auth.roles import Role, requires
from fedface_core.contracts.http import DeadLetterList
from fedface_core.domain.dead_letter import MOST_LETTERS

router = APIRouter(prefix="/dead-letters", tags=["messages"])


@router.get("", responses=INVALID, dependencies=[requires(Role.OPERATOR)])
def list_dead_letters(
    ports: PortsDep,
    limit: Annotated[int, Query(ge=1, le=MOST_LETTERS, description="How many letters at most.")] = 50,
) -> DeadLetterList:
    """List the newest messages that a worker has dropped, since it could not read them; the newest first.

    The newest 200 are kept. Whoever wrote one is unknown, so nothing in it is to be believed.
    """
    return DeadLetterList(letters=[*ports.dead_letters.newest(limit)])
