"""Whatever a server answers, the commands that show runs end with a message, and no text of it steers the terminal."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.api_by_hand import PLAN
from support.command_line import Invoke

RUN = "run-0123456789ab"
OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
SHOWN_AS_THEY_ARE = "\n\u200c\u200d"
HOSTILE = "[/red] [bold]:smile: \x1b[2J\x1b]0;t\x07\n\r\t\x9b\u202e\u2066\u2028\ud800 {0} %s"
# torch, which other tests of this process use, has the processor take subnormal numbers for 0.
numbers = st.floats(allow_subnormal=False)
texts = st.text(st.characters() | st.sampled_from(HOSTILE), max_size=60) | st.just(HOSTILE)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
times = st.sampled_from(["2026-01-02T03:04:05+00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "now"])
event_data = st.fixed_dictionaries(
    {}, optional={"at": times | anything, "round": anything, "reason": texts | anything, "service": texts}
)
events = st.lists(
    st.tuples(texts, texts | st.sampled_from(["progress", "round_finished", "waiting"]), event_data), max_size=4
)
COMMANDS = [
    ("list",),
    ("list", "--json"),
    ("show", RUN),
    ("show", RUN, "--json"),
    ("events", RUN),
    ("events", RUN, "--json"),
]


def summary(text: str, at: str, number: float) -> dict[str, Any]:
    return {
        "id": text,
        "name": text,
        "phase": "failed",
        "round": 1,
        "rounds": 2,
        "round_phase": "open",
        "seconds_left": number,
        "unreadable_round": text,
        "waiting_for": [text],
        "failure": text,
        "stopped_because": text,
        "cloned_from": text,
        "model_sha256": text,
        "allowed": [text],
        "created_at": at,
    }


def server(text: str, at: str, number: float, told: list[Any], whole: Any) -> httpx.MockTransport:
    """A server whose runs and events say these things; its other answers are ``whole``."""
    detail = summary(text, at, number) | {"plan": PLAN.model_dump(mode="json") | {"name": text}}

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/events"):
            lines = [
                f"id: {one_line(event_id)}\nevent: {one_line(name)}\ndata: {json.dumps(data)}\n\n"
                for event_id, name, data in told
            ]
            body = "".join(lines).encode("utf-8", "replace")
            return httpx.Response(200, content=body, headers={"Content-Type": "text/event-stream"})
        bodies = {
            "/v1/runs": {"runs": [summary(text, at, number)]},
            f"/v1/runs/{RUN}": detail,
            f"/v1/runs/{RUN}/rounds": {"rounds": []},
        }
        shown = bodies[path] if whole is None else whole
        return httpx.Response(200, content=json.dumps(shown).encode())

    return httpx.MockTransport(answer)


def one_line(text: str) -> str:
    return " ".join(text.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(text=texts, at=times, number=numbers, told=events, whole=st.none() | anything)
@example(text=HOSTILE, at="2026-01-02T03:04:05+00:00", number=1.0, told=[(HOSTILE, HOSTILE, {})], whole=None)
@example(
    text="x",
    at="2026-01-02T03:04:05+00:00",
    number=1.0,
    told=[(HOSTILE, HOSTILE, {"at": "2026-01-02T03:04:05+00:00"})],
    whole=None,
)
@example(text="x", at="0001-01-01T00:00:00+14:00", number=float("nan"), told=[("1-0", "progress", {})], whole=None)
@example(
    text="x",
    at="9999-12-31T23:59:59-14:00",
    number=1.0,
    told=[("1-0", "x", {"at": "0001-01-01T00:00:00+14:00"})],
    whole=None,
)
def test_no_answer_ends_a_command_with_a_traceback_or_steers_the_terminal(
    fedface: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    text: str,
    at: str,
    number: float,
    told: list[Any],
    whole: Any,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("fedface_cli.api_client.transport_to", lambda *_: (server(text, at, number, told, whole), None))
        code, out, err = fedface("run", *command)
    assert "Traceback" not in err
    assert code in (0, 5), (code, out, err)
    obeyed = {character for character in out + err if unicodedata.category(character) in OBEYED}
    assert obeyed <= {*SHOWN_AS_THEY_ARE}
