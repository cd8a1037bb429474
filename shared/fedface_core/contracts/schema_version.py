"""Reads messages, ledger records and manifests, which another version of FedFace may have written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError
from fedface_core.domain.free_text import cut

UNREADABLE: Final = (UnknownSchemaError, DamagedObjectError)
"""What `read_versioned` raises. What is wrong with one record must not keep anybody from the others."""

_FIELD = "schema_version"
_MOST_PROBLEMS = 20
_LONGEST_NAME = 100
_REMEDY = "upgrade this FedFace, or use the version that wrote it"

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_versioned(kind: type[ModelT], data: bytes | str | Mapping[str, Any], *, remedy: str = _REMEDY) -> ModelT:
    """The object of type ``kind`` in ``data``, which is JSON or a parsed JSON object.

    `UnknownSchemaError` if the object or a part of it has a `schema_version` that this FedFace does not read, whatever else
    is wrong; its message ends with ``remedy``. `DamagedObjectError` if ``data`` is no ``kind``; it names the wrong fields,
    20 at most.
    """
    try:
        return kind.model_validate_json(data) if isinstance(data, bytes | str) else kind.model_validate(data)
    except ValidationError as error:
        # The messages below never quote the whole input: it may be long, and may contain secrets.
        problems = error.errors(include_url=False)
    for problem in problems:
        if problem["loc"] and problem["loc"][-1] == _FIELD:
            part = cut(".".join([kind.__name__, *map(str, problem["loc"][:-1])]), _LONGEST_NAME)
            known = problem.get("ctx", {}).get("expected", "none")
            version = cut(repr(problem["input"]), _LONGEST_NAME)
            raise UnknownSchemaError(
                f"schema version {version} of {part} is not known here: this FedFace reads version {known}; {remedy}"
            )
    more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
    raise DamagedObjectError(f"this is no {kind.__name__}: {'; '.join(map(_describe, problems[:_MOST_PROBLEMS]))}{more}")


def _describe(problem: ErrorDetails) -> str:
    message = {"extra_forbidden": "there is no such field", "missing": "is required"}.get(problem["type"], problem["msg"])
    field = cut(".".join(map(str, problem["loc"])), _LONGEST_NAME)
    return f"{field}: {message.removeprefix('Value error, ')}" if field else message
