"""The update encoding of a plan: by name, with its own parameters, and refused if it does not fit the rest of the plan."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan import Plan

ASYNCHRONOUS = {"cohort": {"quorum": 3}, "aggregation": {"mode": "asynchronous"}}


def plan_with(encoding: Any, **parts: Any) -> Plan:
    return Plan.model_validate({"update_encoding": encoding, **parts})


def test_the_whole_model_is_uploaded_by_default() -> None:
    encoding = Plan().update_encoding
    assert (encoding.name, encoding.error_feedback) == ("float32", False)
    assert encoding.model_dump() == {"name": "float32"}


def test_the_encodings_that_lose_most_have_error_feedback_by_default() -> None:
    assert {name: plan_with(name).update_encoding.error_feedback for name in ("float16", "int8", "top-k")} == {
        "float16": False,
        "int8": True,
        "top-k": True,
    }
    assert not plan_with({"name": "top-k", "share": 0.01, "error_feedback": False}).update_encoding.error_feedback


@pytest.mark.parametrize(
    ("encoding", "parts", "message"),
    [
        ("int4", {}, "'float32', 'float16', 'int8', 'top-k'"),
        ({"name": "top-k", "share": 0}, {}, "greater than 0"),
        ({"name": "top-k", "share": 1.5}, {}, "less than or equal to 1"),
        ({"name": "int8", "share": 0.5}, {}, "Extra inputs are not permitted"),
        ({"name": "float32", "error_feedback": True}, {}, "Extra inputs are not permitted"),
        ("int8", ASYNCHRONOUS, "update_encoding.error_feedback is for synchronous runs: set it to false"),
        ("float16", {"strategy": "local-only"}, "update_encoding: the strategy 'local-only' uploads nothing; leave it out"),
        ("int8", {"strategy": "centralised"}, "update_encoding: the strategy 'centralised' uploads nothing; leave it out"),
    ],
)
def test_a_wrong_or_contradicting_encoding_is_refused(encoding: Any, parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        plan_with(encoding, **parts)
    (error,) = refused.value.errors()
    assert message in error["msg"]


def test_asynchronous_runs_may_be_encoded_without_error_feedback() -> None:
    for encoding in ("float16", {"name": "int8", "error_feedback": False}):
        assert plan_with(encoding, **ASYNCHRONOUS).aggregation.is_asynchronous
