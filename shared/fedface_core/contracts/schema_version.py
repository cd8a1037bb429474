"""Reading what another version of FedFace may have written: messages, ledger records, manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError

_FIELD = "schema_version"
_REMEDY = "upgrade this FedFace, or use the version that wrote it"

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_versioned(kind: type[ModelT], data: bytes | str | Mapping[str, Any], *, remedy: str = _REMEDY) -> ModelT:
    """The ``kind`` that ``data`` is (JSON, or JSON already parsed).

    `UnknownSchemaError` where it, or a part of it, has a `schema_version` that this code does not read, whatever else is
    wrong with it; ``remedy`` says what to do then. `DamagedObjectError`, naming each wrong field, where it is no such thing.
    """
    try:
        return kind.model_validate_json(data) if isinstance(data, bytes | str) else kind.model_validate(data)
    except ValidationError as error:
        # Never with the input: it may be long, and may hold what must not be shown.
        problems = error.errors(include_url=False)
    for problem in problems:
        if problem["loc"] and problem["loc"][-1] == _FIELD:
            part = ".".join([kind.__name__, *map(str, problem["loc"][:-1])])
            known = problem.get("ctx", {}).get("expected", "none")
            raise UnknownSchemaError(
                f"schema version {problem['input']!r} of {part} is not known here: this FedFace reads version {known}; "
                f"{remedy}"
            )
    raise DamagedObjectError(f"this is no {kind.__name__}: {'; '.join(map(_said, problems))}")


def _said(problem: ErrorDetails) -> str:
    message = {"extra_forbidden": "there is no such field", "missing": "is required"}.get(problem["type"], problem["msg"])
    field = ".".join(map(str, problem["loc"]))
    return f"{field}: {message.removeprefix('Value error, ')}" if field else message
