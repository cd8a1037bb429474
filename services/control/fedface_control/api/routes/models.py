"""Model versions: download the newest one of a run, upload one to start from."""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from collections.abc import Iterator
from typing import IO, Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response, status
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from fedface_control.api.problems import busy_response
from fedface_control.api.routes.runs import BUSY, UNKNOWN_RUN, PortsDep, Responses, RunIdPath
from fedface_control.auth.roles import Role, requires
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import MODEL_SHA256_HEADER, Problem, StoredModel
from fedface_core.domain.errors import InvalidInputError, WrongPhaseError
from fedface_core.domain.ids import Sha256
from fedface_core.files.safetensors_header import check_safetensors
from fedface_core.ports import Ports

DOWNLOAD: Responses = {
    200: {"content": {"application/octet-stream": {}}, "description": "safetensors"},
    409: {"model": Problem, "description": "The run has no model version yet."},
}

UPLOAD: Responses = {
    413: {"model": Problem, "description": "The model is larger than the API takes."},
    422: {"model": Problem, "description": "The bytes have another hash or are not safetensors."},
}
CHUNK_BYTES = 4 * 2**20
"""How much of a model is in memory at a time."""

router = APIRouter(tags=["models"])


class Uploads:
    """The uploads under way, of which ``most`` may be under way at once, each of ``most_bytes`` at most."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self.open = 0


@router.get(
    "/runs/{run_id}/model",
    dependencies=[requires(Role.VIEWER)],
    response_class=Response,
    responses=UNKNOWN_RUN | DOWNLOAD,
)
def download(run_id: RunIdPath, ports: PortsDep) -> Response:
    """Download the run's newest model version as safetensors. Its SHA-256 is in the header `X-Model-SHA256`."""
    run = ports.ledger.load(run_id)
    if run.model_sha256 is None:
        raise WrongPhaseError(f"{run_id} is {run.phase} and has no model version yet; start it, and wait for round 0")
    key = object_keys.model(run.model_sha256)
    size = ports.artifacts.size(key)
    return StreamingResponse(
        _chunks(ports, key, size),
        media_type="application/octet-stream",
        headers={
            "Content-Length": str(size),
            MODEL_SHA256_HEADER: run.model_sha256,
            "ETag": f'"{run.model_sha256}"',
            "Content-Disposition": f'attachment; filename="{run_id}.safetensors"',
        },
    )


@router.put(
    "/models/{sha256}",
    dependencies=[requires(Role.UPLOADER)],
    status_code=status.HTTP_201_CREATED,
    response_model=StoredModel,
    responses=UPLOAD | BUSY,
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}, "required": True}},
)
async def upload(sha256: Annotated[Sha256, Path()], request: Request, ports: PortsDep) -> StoredModel | Response:
    """Store a safetensors file under the SHA-256 of its bytes. A plan starts from it by naming that in `model.weights`."""
    uploads: Uploads = request.app.state.uploads
    if uploads.open >= uploads.most:
        return busy_response(f"the API takes {uploads.most} models already")
    uploads.open += 1
    try:
        with tempfile.TemporaryFile() as file:
            size = await _receive(request, file, uploads.most_bytes)
            await run_in_threadpool(_store, ports, sha256, file, size)  # other requests are answered meanwhile
    finally:
        uploads.open -= 1
    return StoredModel(sha256=sha256, size=size)


async def _receive(request: Request, file: IO[bytes], most_bytes: int) -> int:
    """Write the body to ``file`` as it arrives; returns its size in bytes. A problem of status 413 if it is too large."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most_bytes:
            raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, f"the model is larger than {most_bytes} bytes")
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
