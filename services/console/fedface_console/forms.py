"""Forms as browsers send them, read within bounds."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from fedface_console.errors import PageError
from fedface_console.sessions import session_of

MOST_BYTES: Final = 4 * 2**20
"""The API takes plans of 2 MiB; a form writes some characters as three."""
MOST_FIELDS: Final = 2000
FORM_SECRET: Final = "form_secret"  # noqa: S105 - the name of a field


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; of two with one name the last one. `ForgedFormError` unless it is one of the reader's session.

    `PageError` if it is too large, or no form.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise PageError(f"The form has more than {MOST_BYTES:,} bytes.")
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:  # no UTF-8, or too many fields
        raise PageError(f"This is no form of UTF-8 with {MOST_FIELDS:,} fields at most.") from None
    session_of(request).require_form(fields.pop(FORM_SECRET, ""))
    return fields
