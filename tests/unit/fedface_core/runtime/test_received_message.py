from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.contracts.tasks import AGGREGATOR, CORRELATION_HEADER, ROUTES
from fedface_core.domain.commands import FoldShard
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.received_message import PACKING_HEADER, MessageFault, UnreadableMessageError, read_message
from fedface_core.runtime.settings import Settings
from support.malformed_messages import malformed

RUN = "run-0123456789ab"
FOLD = FoldShard(run_id=RUN, round=2, shard=1)
SETTINGS = Settings(
    redis_url=SecretStr("redis://:own@127.0.0.1:1/0"), artifacts="directory", artifact_directory=Path("nowhere")
)
HONEST = CeleryPublisher(create_celery(SETTINGS))._message(FOLD, "abc").encode()  # noqa: SLF001 - to publish needs a broker
MALFORMED = malformed(HONEST)


def test_a_message_of_the_publisher_is_read() -> None:
    message = read_message(HONEST, AGGREGATOR)
    assert json.loads(b64decode(message["body"]))[:2] == [[], {"command": FOLD.model_dump(mode="json")}]
    assert message["headers"]["task"] == ROUTES[FoldShard].task
    assert message["headers"][CORRELATION_HEADER] == "abc"
    assert message["headers"]["ignore_result"] is True


def test_each_message_gets_a_tag_of_its_own() -> None:
    tags = {read_message(HONEST, AGGREGATOR)["properties"]["delivery_tag"] for _ in range(2)}
    assert len(tags) == 2
    assert json.loads(HONEST)["properties"]["delivery_tag"] not in tags


def test_a_message_that_was_put_back_says_so() -> None:
    put_back = json.loads(HONEST)
    put_back["properties"]["delivery_info"]["redelivered"] = True
    again = read_message(json.dumps(put_back).encode(), AGGREGATOR)
    assert again["properties"]["delivery_info"]["redelivered"] is True
    assert read_message(json.dumps(again).encode(), AGGREGATOR)["body"] == again["body"]


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_message_is_refused_with_a_short_reason(what: str) -> None:
    with pytest.raises(UnreadableMessageError) as refused:
        read_message(MALFORMED[what], AGGREGATOR)
    assert refused.value.fault in MessageFault
    assert len(str(refused.value)) < 5000


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_subnormal=False) | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
PLACES = [
    *[(part,) for part in json.loads(HONEST)],
    *[("headers", name) for name in (*json.loads(HONEST)["headers"], "stranger", "fedface_stranger", PACKING_HEADER)],
    *[("properties", name) for name in (*json.loads(HONEST)["properties"], "stranger")],
]


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        read_message(raw, AGGREGATOR)


@given(st.sampled_from(PLACES), JSON)
def test_whatever_is_in_a_place_of_a_message_celery_gets_one_that_it_can_execute(
    place: tuple[str, ...], value: object
) -> None:
    changed: dict[str, Any] = json.loads(HONEST)
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    try:
        message = read_message(json.dumps(changed).encode(), AGGREGATOR)
    except UnreadableMessageError:
        return
    assert message["headers"].get("eta") is None
    assert message["headers"]["id"].isprintable()
    assert all(isinstance(header, str | bool | None) for header in message["headers"].values())
    assert message["properties"]["delivery_info"]["routing_key"] == AGGREGATOR
