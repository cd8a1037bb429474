"""Model versions: list them with their lineage, show one's card, download one, upload one to start from."""

from __future__ import annotations

import errno
import hashlib
import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response, status
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from fedface_control.api.entity_tags import IfNoneMatch, entity_tag, unchanged
from fedface_control.api.problems import busy_response
from fedface_control.api.routes.rounds import UNCHANGED, NumberPath
from fedface_control.api.routes.runs import BUSY, INVALID, LONGEST_ID, UNKNOWN_RUN, PortsDep, Responses, RunIdPath
from fedface_control.auth.roles import Role, requires
from fedface_control.lineage import model_card, model_page
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import MODEL_SHA256_HEADER, ModelCard, ModelList, Problem, StoredModel
from fedface_core.domain.errors import InvalidInputError, UnavailableError, WrongPhaseError
from fedface_core.domain.ids import Sha256
from fedface_core.files.safetensors_header import check_safetensors
from fedface_core.ports import Ports

BYTES: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
AFTER_DESCRIPTION = "Where the page begins: `next` of the page before. Empty at first."
UNKNOWN_MODEL: Responses = {404: {"model": Problem, "description": "The store has no such model version."}}
DOWNLOAD: Responses = UNCHANGED | {
    200: {"content": BYTES, "description": "The model version, as safetensors."},
    409: {"model": Problem, "description": "There is no model version yet."},
}
DOWNLOAD_BY_NAME: Responses = UNKNOWN_MODEL | UNCHANGED | {200: DOWNLOAD[200]}

UPLOAD: Responses = {
    413: {"model": Problem, "description": "The model is larger than the API takes."},
    422: {"model": Problem, "description": "The bytes have another hash or are not safetensors."},
}
CHUNK_BYTES = 4 * 2**20
"""How much of a model is in memory at a time."""

ModelPath = Annotated[Sha256, Path(description="The SHA-256 of the model's bytes, in hexadecimal.")]
router = APIRouter(tags=["models"])


class Uploads:
    """The uploads under way, of which ``most`` may be under way at once. `BoundedBody` bounds the bytes of each."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0


@router.get("/models", responses=UNKNOWN_RUN | INVALID, dependencies=[requires(Role.VIEWER)])
def list_models(
    ports: PortsDep,
    after: Annotated[str, Query(max_length=LONGEST_ID, description=AFTER_DESCRIPTION)] = "",
    limit: Annotated[int, Query(ge=1, le=200, description="How many model versions at most.")] = 50,
) -> ModelList:
    """List model versions with the run and the round that made each, and the model version it was trained from.

    Those of the newest run come first, in the order of its rounds; uploaded models come last. A page may have few models, or
    none, and not be the last one: go on until `next` is null.
    """
    return model_page(ports, after, limit)


@router.get(
    "/models/{sha256}",
    response_class=Response,
    responses=DOWNLOAD_BY_NAME | INVALID,
    dependencies=[requires(Role.VIEWER)],
)
def download_model(sha256: ModelPath, ports: PortsDep, known: IfNoneMatch = None) -> Response:
    """Download a model version as safetensors. Its bytes never change, so what a client has of this name is right."""
    return _download(ports, sha256, sha256, known)


@router.get("/models/{sha256}/card", responses=UNKNOWN_MODEL | INVALID, dependencies=[requires(Role.VIEWER)])
def get_model_card(sha256: ModelPath, ports: PortsDep) -> ModelCard:
    """Show what is known of a model version: who made it, from what, by which plan, and its scores."""
    return model_card(ports, sha256)


@router.get(
    "/runs/{run_id}/model",
    dependencies=[requires(Role.VIEWER)],
    response_class=Response,
    responses=UNKNOWN_RUN | DOWNLOAD,
)
def download_run_model(run_id: RunIdPath, ports: PortsDep, known: IfNoneMatch = None) -> Response:
    """Download the run's newest model version as safetensors. Its SHA-256 is in the header `X-Model-SHA256`."""
    run = ports.ledger.load(run_id)
    if run.model_sha256 is None:
        raise WrongPhaseError(f"{run_id} is {run.phase} and has no model version yet; start it, and wait for round 0")
    return _download(ports, run.model_sha256, run_id, known)


@router.get(
    "/runs/{run_id}/rounds/{number}/model",
    response_class=Response,
    responses=UNKNOWN_RUN | DOWNLOAD | INVALID,
    dependencies=[requires(Role.VIEWER)],
)
def download_round_model(run_id: RunIdPath, number: NumberPath, ports: PortsDep, known: IfNoneMatch = None) -> Response:
    """Download the model version that a round has made, as safetensors."""
    made = ports.ledger.round_summary(run_id, number).round
    if made.aggregation is None:
        raise WrongPhaseError(f"round {number} of {run_id} is {made.phase} and has made no model version")
    return _download(ports, made.aggregation.model_sha256, f"{run_id}-{number}", known)


@router.put(
    "/models/{sha256}",
    dependencies=[requires(Role.UPLOADER)],
    status_code=status.HTTP_201_CREATED,
    response_model=StoredModel,
    responses=UPLOAD | BUSY,
    openapi_extra={"requestBody": {"content": BYTES, "required": True, "description": "The file, as safetensors."}},
)
async def upload_model(sha256: ModelPath, request: Request, ports: PortsDep) -> StoredModel | Response:
    """Store a safetensors file under the SHA-256 of its bytes. A plan starts from it by naming that in `model.weights`."""
    uploads: Uploads = request.app.state.uploads
    if uploads.open >= uploads.most:
        return busy_response(f"the API takes {uploads.most} models already")
    uploads.open += 1
    try:
        with tempfile.TemporaryFile() as file:
            with _room_named():
                size = await _receive(request, file)
            await run_in_threadpool(_store, ports, sha256, file, size)  # other requests are answered meanwhile
    finally:
        uploads.open -= 1
    return StoredModel(sha256=sha256, size=size)


def _download(ports: Ports, sha256: str, name: str, known: str | None) -> Response:
    """The bytes of a model version as they come from the store, a part at a time, for a file of this name; or 304."""
    etag = entity_tag(sha256)
    key = object_keys.model(sha256)
    size = ports.artifacts.size(key)
    if (answer := unchanged(known, etag)) is not None:
        return answer
    return StreamingResponse(
        _chunks(ports, key, size),
        media_type="application/octet-stream",
        headers={
            "Content-Length": str(size),
            MODEL_SHA256_HEADER: sha256,
            "ETag": etag,
            "Content-Disposition": f'attachment; filename="{name}.safetensors"',
        },
    )


@contextmanager
def _room_named() -> Iterator[None]:
    """`UnavailableError`, which says what to do, if the disk of the temporary file is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UnavailableError(
            f"control has no room for the model in {tempfile.gettempdir()}, where it keeps it until all of it has arrived; "
            "make room, or name a folder on a larger disk in TMPDIR"
        ) from error


async def _receive(request: Request, file: IO[bytes]) -> int:
    """Write the body to ``file`` as it arrives; returns its size in bytes."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        await run_in_threadpool(file.write, chunk)
    await run_in_threadpool(file.flush)
    return size


def _store(ports: Ports, sha256: str, file: IO[bytes], size: int) -> None:
    if size == 0:
        check_safetensors(b"", "the model sent")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
        found = hashlib.sha256(view).hexdigest()
        if found != sha256:
            raise InvalidInputError(f"the path names the SHA-256 {sha256}, but the bytes sent have {found}")
        check_safetensors(data, "the model sent")
        ports.artifacts.put(object_keys.upload(sha256), b"uploaded")
        parts = [view[first : first + CHUNK_BYTES] for first in range(0, size, CHUNK_BYTES)]
        try:
            ports.artifacts.put(object_keys.model(sha256), *parts)
        finally:
            for part in parts:
                part.release()


def _chunks(ports: Ports, key: str, size: int) -> Iterator[bytes]:
    """The object in parts. If the store goes away meanwhile, the answer breaks off before its length."""
    for first in range(0, size, CHUNK_BYTES):
        yield ports.artifacts.get_range(key, first, CHUNK_BYTES)
