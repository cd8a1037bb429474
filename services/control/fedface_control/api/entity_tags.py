"""Entity tags (RFC 9110): a client that has an answer already gets the status 304 instead of the bytes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Header, Response

IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=2000,
        description="The `ETag` of an answer that the client has. If it is still the right one, the status is 304.",
    ),
]


def entity_tag(sha256: str) -> str:
    """The tag of bytes with this SHA-256."""
    return f'"{sha256}"'


def unchanged(given: str | None, etag: str) -> Response | None:
    """The answer 304 if the header `If-None-Match` names ``etag``, or anything by `*`; else None."""
    tags = [] if given is None else [tag.strip().removeprefix("W/") for tag in given.split(",")]
    if etag not in tags and tags != ["*"]:
        return None
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
