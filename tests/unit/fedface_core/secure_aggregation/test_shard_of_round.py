"""The round of a shard follows from the records, and another basis, life or number gives another one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, open_round
from fedface_core.domain.run import Run
from fedface_core.secure_aggregation.device import Device
from fedface_core.secure_aggregation.shard_of_round import basis_of, shard_round_of, start_of
from fedface_core.secure_aggregation.terms import check_terms

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan.model_validate(
    {
        "strategy": "gaussian-negatives",
        "model": {"centring": False},
        "data": {"dataset": "synthetic"},
        "split": {"clients": 40, "test": 2},
        "cohort": {"shard_size": 20},
        "secure_aggregation": {},
    }
)
EVERYONE = tuple(client_id(index) for index in range(40))
KEYS = {client: Device(client, client.encode().ljust(32)).public_keys for client in EVERYONE}
RUN = Run(id="run-0123456789ab", plan=PLAN, correlation_id="0" * 32, created_at=NOW)


def a_round(number: int = 1, **changes: Any) -> Round:
    return open_round(PLAN, RUN.id, number, EVERYONE, "c" * 64, NOW).model_copy(update=changes)


def digest(run: Run = RUN, current: Round | None = None, shard: int = 1, members: int = 20) -> str:
    opened = current or a_round()
    clients = opened.shard_members(shard)[:members]
    return shard_round_of(run, opened, shard, {client: KEYS[client] for client in clients}).digest


def test_a_client_takes_the_round_that_follows_from_its_plan() -> None:
    keys = {client: KEYS[client] for client in a_round().shard_members(1)}
    shard_round = shard_round_of(RUN, a_round(), 1, keys)
    check_terms(PLAN, shard_round)
    assert [member.client for member in shard_round.members] == sorted(keys)
    assert shard_round_of(RUN, a_round(), 1, dict(reversed(keys.items()))) == shard_round


def test_whatever_differs_gives_another_round() -> None:
    others = [
        digest(),
        digest(RUN.model_copy(update={"correlation_id": "1" * 32})),
        digest(current=a_round(number=2)),
        digest(current=a_round(model_sha256="d" * 64)),
        digest(current=a_round(guidance_sha256="d" * 64)),
        digest(current=a_round(anchor_sha256="d" * 64)),
        digest(RUN.model_copy(update={"plan": PLAN.model_copy(update={"seed": 1})})),
        digest(shard=0),
        digest(members=19),
    ]
    assert len(set(others)) == len(others)


def test_the_basis_of_a_retried_round_is_that_of_the_round_before() -> None:
    assert basis_of(PLAN, a_round(number=1)) == basis_of(PLAN, a_round(number=2))


def test_another_anchor_is_no_other_start_so_a_device_lets_no_second_sum_be_unmasked() -> None:
    """With a weak anchor the updates of the two would be equal, and their difference a single client's."""
    assert start_of(a_round()) == start_of(a_round(anchor_sha256="d" * 64))
    assert start_of(a_round()) != start_of(a_round(guidance_sha256="d" * 64))


def test_two_clients_are_no_shard() -> None:
    with pytest.raises(InvalidInputError, match="2 clients in a shard"):
        digest(members=2)
