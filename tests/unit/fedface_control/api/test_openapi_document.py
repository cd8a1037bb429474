"""The OpenAPI document: whole enough to generate clients from, and to be read without the code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from fedface_control.api.examples import BODIES
from fedface_control.api.openapi_document import BINARY
from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE

SIGNED_IN = {"401", "403", "429"}


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where it is, media type and content, of each body of a request or an answer."""
    for name, operation in operations(described):
        bodies = {"request": operation.get("requestBody", {})} | operation["responses"]
        for where, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                yield f"{name} {where}", media_type, content


def objects(schema: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schema, and each schema in it."""
    if isinstance(schema, dict):
        yield where, schema
        for name, inner in schema.items():
            if name not in ("default", "example", "examples", "const", "enum"):
                yield from objects(inner, f"{where}.{name}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from objects(inner, f"{where}.{index}")


def resolved(described: dict[str, Any], value: dict[str, Any]) -> Any:
    while "$ref" in value:
        found: Any = described
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def test_it_is_valid_openapi(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    validate(described)


def test_every_operation_says_what_it_does_and_belongs_to_a_described_tag(described: dict[str, Any]) -> None:
    tags = {tag["name"]: tag["description"] for tag in described["tags"]}
    used = set()
    for name, operation in operations(described):
        assert operation["operationId"], name
        assert operation["summary"], name
        assert operation["description"].strip(), name
        (tag,) = operation["tags"]
        assert tags[tag], name
        used.add(tag)
    assert used == tags.keys()
    assert described["servers"][0]["url"]


def test_every_versioned_operation_describes_what_any_may_answer(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        if " /v1/" in name:
            assert "503" in operation["responses"], name
            assert SIGNED_IN & operation["responses"].keys() == (SIGNED_IN if name != "GET /v1/sign-in" else set()), name
        if "requestBody" in operation:
            assert operation["responses"].keys() >= {"400", "413", "422"}, name
        for status in ("429", "503"):
            if status in operation["responses"] and name != "GET /readyz":
                assert "Retry-After" in operation["responses"][status]["headers"], name


def test_every_answer_with_a_body_has_an_example(described: dict[str, Any]) -> None:
    for where, media_type, content in contents(described):
        # Before OpenAPI 3.2, no schema can say of what form each event of a stream is.
        assert content.get("schema") or media_type == "text/event-stream", where
        assert media_type == BINARY or content.get("examples"), where


def test_every_example_is_valid(described: dict[str, Any]) -> None:
    seen = 0
    for where, _, content in contents(described):
        for name, example in content.get("examples", {}).items():
            value = resolved(described, example)["value"]
            whole = content.get("schema", {}) | {"components": described["components"]}
            errors = [error.message for error in Draft202012Validator(whole).iter_errors(value)]
            assert errors == [], f"{where} {name}"
            seen += 1
    assert seen > 100


def test_every_problem_has_the_example_of_its_status(described: dict[str, Any]) -> None:
    for where, media_type, content in contents(described):
        if media_type == PROBLEM_MEDIA_TYPE:
            for example in content["examples"].values():
                assert str(resolved(described, example)["value"]["status"]) == where.rpartition(" ")[2]


def test_every_body_that_is_made_is_shown(described: dict[str, Any]) -> None:
    examples = (example for _, _, content in contents(described) for example in content.get("examples", {}).values())
    shown = {example.get("$ref") for example in examples}
    assert {f"#/components/examples/{type(body).__name__}" for body in BODIES} <= shown


def test_every_schema_and_every_field_is_described(described: dict[str, Any]) -> None:
    for name, schema in described["components"]["schemas"].items():
        assert schema.get("description"), name
        for where, inner in objects(schema, name):
            for field, shape in inner.get("properties", {}).items():
                assert shape.get("description"), f"{where}.{field}"


def test_every_parameter_and_header_is_described(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{name} {parameter['name']}"
        for response in operation["responses"].values():
            assert response["description"], name


def test_it_says_that_deleting_takes_its_confirmation(described: dict[str, Any]) -> None:
    (confirm,) = (one for one in described["paths"]["/v1/runs/{run_id}"]["delete"]["parameters"] if one["in"] == "query")
    assert (confirm["name"], confirm["required"]) == ("confirm", True)


def test_no_default_is_given_that_depends_on_another_field(described: dict[str, Any]) -> None:
    """A generated client would send it, and so ask for another plan."""
    schemas = described["components"]["schemas"]
    for part, field in (("ModelPlan", "weights"), ("ModelPlan", "centring"), ("Plan", "initialisation")):
        assert "default" not in schemas[part]["properties"][field]
    assert "required" not in schemas["ModelPlan"], "what is missing is filled in"


@pytest.mark.parametrize("name", ["HTTPValidationError", "ValidationError"])
def test_what_the_api_never_answers_is_not_described(described: dict[str, Any], name: str) -> None:
    assert name not in described["components"]["schemas"]
