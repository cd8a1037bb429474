"""Model versions: where each comes from, its card, and its file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from fedface_console.control_api import ControlApi
from fedface_console.errors import ApiProblemError
from fedface_console.templating import ApiDep, page
from fedface_core.contracts.http import ModelCard, ModelList

ON_A_PAGE: Final = 50
MOST_ANCESTORS: Final = 12
_KEPT_HEADERS: Final = ("content-length", "content-type", "x-model-sha256")
DigestPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]

router = APIRouter(prefix="/models")


@router.get("")
async def show_models(request: Request, api: ApiDep, after: Annotated[str, Query(max_length=200)] = "") -> HTMLResponse:
    """Show a page of model versions: those of the newest run first, and uploaded ones last."""
    reader = await api.reader()
    listed = await api.get(ModelList, "/v1/models", after=after, limit=ON_A_PAGE)
    return page(request, "models.html", reader=reader, listed=listed, after=after)


@router.get("/{sha256}")
async def show_card(request: Request, sha256: DigestPath, api: ApiDep) -> HTMLResponse:
    """Show what is known of a model version, and the model versions that it comes from."""
    reader = await api.reader()
    card = await api.get(ModelCard, f"/v1/models/{sha256}/card")
    return page(request, "model.html", reader=reader, card=card, ancestors=await _ancestors(api, card))


@router.get("/{sha256}/file")
async def download(sha256: DigestPath, api: ApiDep) -> Response:
    """Hand the model's file on, a part at a time."""
    opened = AsyncExitStack()
    answer = await opened.enter_async_context(api.download(f"/v1/models/{sha256}"))

    async def parts() -> AsyncIterator[bytes]:
        async with opened:
            async for part in answer.aiter_raw():
                yield part

    headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
    headers["Content-Disposition"] = f'attachment; filename="{sha256[:16]}.safetensors"'
    return StreamingResponse(parts(), headers=headers)


async def _ancestors(api: ControlApi, card: ModelCard) -> list[ModelCard]:
    """The cards of the model versions that this one was trained from, the nearest first, `MOST_ANCESTORS` at most."""
    found: list[ModelCard] = []
    seen = {card.sha256}
    while len(found) < MOST_ANCESTORS:
        made = card.made_by[0] if card.made_by else None
        if made is None or made.base_sha256 is None or made.base_sha256 in seen:
            break
        seen.add(made.base_sha256)
        try:
            card = await api.get(ModelCard, f"/v1/models/{made.base_sha256}/card")
        except ApiProblemError as error:
            if error.status != 404:  # it was removed with its run
                raise
            break
        found.append(card)
    return found
