"""The API's OpenAPI document: what FastAPI makes of the routes, and what each operation has in common with the others.

An operation describes the errors that only it answers with. This module adds those that any may, has each error be a problem
(RFC 9457), and gives each answer an example.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from fedface_control.api.examples import examples, problem_examples
from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE, V1

TAGS: Final = [
    {
        "name": "runs",
        "description": "A run trains one model by one plan, in many rounds.",
    },
    {"name": "rounds", "description": "A round has one cohort, one aggregation and one evaluation. Round 0 is enrolment."},
    {"name": "models", "description": "Model versions, safetensors files that are named by the SHA-256 of their bytes."},
    {
        "name": "plans",
        "description": "A plan is everything that a run is asked for. It can be checked beforehand.",
    },
    {"name": "artifacts", "description": "Objects of the artifact store that nothing names, and that can be removed."},
    {"name": "messages", "description": "Messages between the services that a worker has dropped."},
    {"name": "sign-in", "description": "Who may use the API: API keys, and how people sign in."},
    {"name": "health", "description": "Whether the process is alive, whether it can serve, and its metrics."},
]

_ANY_BODY: Final = {
    "400": "The body has not come whole, or is no text in UTF-8.",
    "413": "The body is larger than the API takes.",
}
_ANY_VERSIONED: Final = {
    "503": "The API serves as many as it can, or the ledger or the artifact store cannot be used now. `Retry-After` says "
    "when to ask again.",
}
BINARY: Final = "application/octet-stream"
"""The media type of models. An example of one would help nobody."""
_RETRIED: Final = ("429", "503")
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "After how many seconds to ask again.", "schema": {"type": "integer"}, "example": 5}
}
_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_VALIDATION_ERROR: Final = {"$ref": "#/components/schemas/HTTPValidationError"}


_TEXTS: Final = {"text/event-stream": "Events", "text/plain": "Metrics"}


class DescribedApi(FastAPI):
    """A FastAPI whose OpenAPI document is complete: clients can be generated from it, and people can read it."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, of a server that no proxy stands before."""
        described = super().openapi()
        if "examples" not in described["components"]:  # FastAPI keeps the document, and makes it anew for a new route
            self.describe(described)
            _complete(described)
        return described

    def describe(self, described: dict[str, Any]) -> None:
        """Add to the document what the routes do not say of themselves, before each answer gets its example."""


def _complete(described: dict[str, Any]) -> None:
    components = described["components"]
    components["examples"] = {name: {"value": value} for name, value in examples().items()}
    described["servers"] = [server("")]
    for path, operation in _operations(described):
        operation["summary"] = operation["summary"].capitalize()
        common = _ANY_VERSIONED if path.startswith(V1) else {}
        if "requestBody" in operation:
            common = common | _ANY_BODY
        for status, description in common.items():
            operation["responses"].setdefault(status, {"description": description}).setdefault("content", {})
        for status, response in operation["responses"].items():
            _complete_response(status, response)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)


def server(root_path: str) -> dict[str, str]:
    """What the document says of the server: where it is, for a client that got the document from it."""
    return {"url": root_path or "/", "description": "The server that gives this document."}


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for operation in methods.values():
            yield path, operation


def _complete_response(status: str, response: dict[str, Any]) -> None:
    if status in _RETRIED:
        response["headers"] = _RETRY_AFTER
    schema = response.get("content", {}).get("application/json", {}).get("schema")
    if int(status) >= HTTPStatus.BAD_REQUEST and schema in (None, _PROBLEM, _VALIDATION_ERROR):
        examples = {name: _example(name) for name in problem_examples(int(status))}
        response["content"] = {PROBLEM_MEDIA_TYPE: {"schema": _PROBLEM, "examples": examples}}
        return
    for media_type, content in response.get("content", {}).items():
        name = _TEXTS.get(media_type) or content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if media_type != BINARY:
            content["examples"] = {"typical": _example(name)}


def _example(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/examples/{name}"}
