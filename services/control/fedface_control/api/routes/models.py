"""Model versions: download the newest one of a run, upload one to start from."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, status
from starlette.concurrency import run_in_threadpool

from fedface_control.api.routes.runs import UNKNOWN_RUN, PortsDep, Responses
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import MODEL_SHA256_HEADER, Problem, StoredModel
from fedface_core.domain.errors import InvalidInputError, WrongPhaseError
from fedface_core.domain.ids import Sha256
from fedface_core.files.safetensors_header import MAX_MODEL_BYTES, check_safetensors
from fedface_core.ports import Ports

DOWNLOAD: Responses = {
    200: {"content": {"application/octet-stream": {}}, "description": "safetensors"},
    409: {"model": Problem, "description": "The run has no model version yet."},
}

router = APIRouter(tags=["models"])


@router.get(
    "/runs/{run_id}/model",
    response_class=Response,
    responses=UNKNOWN_RUN | DOWNLOAD,
)
def download(run_id: str, ports: PortsDep) -> Response:
    """Download the run's newest model version as safetensors. Its SHA-256 is in the header `X-Model-SHA256`."""
    run = ports.ledger.load(run_id)
    if run.model_sha256 is None:
        raise WrongPhaseError(f"{run_id} is {run.phase} and has no model version yet; start it, and wait for round 0")
    data = ports.artifacts.get(object_keys.model(run.model_sha256))
    return Response(
        data,
        media_type="application/octet-stream",
        headers={
            MODEL_SHA256_HEADER: run.model_sha256,
            "ETag": f'"{run.model_sha256}"',
            "Content-Disposition": f'attachment; filename="{run_id}.safetensors"',
        },
    )


@router.put(
    "/models/{sha256}",
    status_code=status.HTTP_201_CREATED,
    responses={422: {"model": Problem, "description": "The bytes have another hash or are not safetensors."}},
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}, "required": True}},
)
async def upload(sha256: Annotated[Sha256, Path()], request: Request, ports: PortsDep) -> StoredModel:
    """Store a safetensors file under the SHA-256 of its bytes. A plan starts from it by naming that in `model.weights`."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_MODEL_BYTES:
            raise InvalidInputError(f"the model is larger than {MAX_MODEL_BYTES} bytes")
    await run_in_threadpool(_store, ports, sha256, data)  # other requests are answered meanwhile
    return StoredModel(sha256=sha256, size=len(data))


def _store(ports: Ports, sha256: str, data: bytearray) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise InvalidInputError(f"the path names the SHA-256 {sha256}, but the bytes sent have {found}")
    check_safetensors(data, "the model sent")
    ports.artifacts.put(object_keys.upload(sha256), b"uploaded")
    ports.artifacts.put(object_keys.model(sha256), bytes(data))
