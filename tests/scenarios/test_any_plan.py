"""Any JSON that is a plan makes a run that completes, fails with a named reason, or can be cancelled; or control refuses it,
and names the fields. What a plan may say is read from the schema of plans, so a new field is tried too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_control.operate.quota import Quota
from fedface_control.operate.run import cancel_run, create_run, start_run
from fedface_core.domain.budget import Budget
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_core.domain.run import ENDED, Run, RunPhase
from support.in_process import InProcess
from support.stride import Stride
from support.tiny_run import tiny_plan, write_faces

EXAMPLES = 168
MOST_DELIVERIES = 60
SMALL = Budget(parameters=20_000, class_numbers=400, numbers_held=300_000, multiplications=4 * 10**10)
"""So small that a run within it takes a fraction of a second. Beyond it, a plan is refused as a huge one is by control."""

SCHEMA = Plan.model_json_schema()
Field = tuple[tuple[str, ...], list[Any]]


@cache
def faces() -> str:
    return str(write_faces(Path(mkdtemp())))


def numbers(node: dict[str, Any]) -> list[Any]:
    """The smallest and the largest numbers that the schema allows, their neighbours, and some in between."""
    least = node.get("minimum", node.get("exclusiveMinimum", -math.inf))
    most = node.get("maximum", node.get("exclusiveMaximum", math.inf))
    if node["type"] == "integer":
        tried = [least, least + 1, 2, 3, 1000, most - 1, most]
    else:
        tried = [least, math.nextafter(least, math.inf), 1e-9, 0.5, 1.0, 3.0, math.nextafter(most, 0), most]
    inside = [value for value in tried if least <= value <= most and math.isfinite(value)]
    return [value for value in inside if value not in (node.get("exclusiveMinimum"), node.get("exclusiveMaximum"))]


def texts(node: dict[str, Any]) -> list[str]:
    if "enum" in node:
        return list(node["enum"])
    if "const" in node:
        return [node["const"]]
    return ["x", "random", "published", "f" * 64, "/nowhere", "../..", "\x00", "client-000001", "y" * 80, faces()]


def fields(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[Field]:
    """Each field of a plan, and values that the schema allows for it, by itself."""
    if "$ref" in node:
        yield from fields(SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]], path)
    elif "oneOf" in node:  # a choice with parameters
        for choice in node["oneOf"]:
            chosen = list(fields(choice))
            [named] = (values for own, values in chosen if own == ("name",))
            for name in named:
                yield path, [name]
                yield from (
                    (path, [{"name": name, own[0]: value} for value in values]) for own, values in chosen if own != ("name",)
                )
    elif "anyOf" in node:
        for choice in node["anyOf"]:
            yield from fields(choice, path)
    elif node.get("type") == "object":
        for name, part in node["properties"].items():
            yield from fields(part, (*path, name))
    elif node.get("type") == "array":
        items = [value for _, values in fields(node["items"]) for value in values]
        yield path, [[items[-1]] * 4, [items[0]] * 4, [items[0]] * 3, [items[0], items[-1]], items[:1], items[-1:], []]
    elif node.get("type") in ("integer", "number"):
        yield path, numbers(node)
    elif node.get("type") == "boolean":
        yield path, [False, True]
    elif node.get("type") == "null":
        yield path, [None]
    else:
        yield path, texts(node)


FIELDS = list(fields(SCHEMA))


@st.composite
def patches(draw: st.DrawFn) -> dict[str, Any]:
    """A merge patch of up to four fields of a plan."""
    patch: dict[str, Any] = {}
    for path, values in draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4)):
        part = patch
        for name in path[:-1]:
            part = part.setdefault(name, {})
        part[path[-1]] = draw(st.sampled_from(values))
    return patch


def outcome(plan: Plan) -> Run | str:
    """The run at its end, or why control refuses the plan. Who waits too long cancels the run."""
    services = InProcess(plan)
    try:
        run = create_run(services.ports, plan, quota=Quota(budget=SMALL))
    except InvalidInputError as error:
        return str(error)
    start_run(services.ports, run.id)
    for _ in range(MOST_DELIVERIES):
        if services.ports.ledger.load(run.id).phase in ENDED:
            break
        services.step()
    else:
        cancel_run(services.ports, run.id)
    services.publisher.published.clear()
    return services.ports.ledger.load(run.id)


def test_the_schema_names_every_part_of_a_plan() -> None:
    assert {path[0] for path, _ in FIELDS} == Plan.model_fields.keys()
    assert len(FIELDS) > 100
    assert all(values for _, values in FIELDS)


def test_any_plan_ends_with_a_reason(stride: Stride) -> None:
    ends: set[str] = set()

    @settings(max_examples=stride.share(EXAMPLES), suppress_health_check=list(HealthCheck), deadline=None)
    @given(patches())
    @example({"seed": 1})
    @example({"spreadout": {"steps": 1_000_000}})
    @example({"data": {"folder": "/nowhere"}})
    @example({"rounds": 1_000_000})
    def check(patch: dict[str, Any]) -> None:
        try:
            plan = apply_merge_patch(tiny_plan(Path(faces())), patch)
        except ValidationError:
            assume(False)
            return
        end = outcome(plan)
        if isinstance(end, str):
            assert any(name in end for name in Plan.model_fields), end
            ends.add("refused")
            return
        assert end.phase in (RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED)
        assert (end.phase is RunPhase.FAILED) == bool(end.failure)
        ends.add(end.phase)

    check()
    assert {"refused", RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED} == ends, "plans of every kind were tried"
