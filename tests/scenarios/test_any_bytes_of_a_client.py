"""Whatever a client writes, as the object of its update, as its acceptance or into its queues, costs that client alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedface_aggregator.fold import sum_updates
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import FoldShard, HandleFact
from fedface_core.domain.facts import IdentitiesListed, RoundReady
from fedface_core.domain.run import RunPhase
from fedface_core.domain.update import AcceptedUpdate, read_acceptance
from fedface_learning.formats.codec import sha256_hex
from fedface_worker.workbench import Workbench
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces

ATTACKER = "client-000001"
_LOSSES = st.floats(allow_subnormal=False)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def ended(encoding: str) -> tuple[InProcess, str]:
    """A run of one training round, whose updates are still in the store."""
    plan = tiny_plan(write_faces(Path(mkdtemp())), rounds=1, update_encoding=encoding, strategy="fedaws")
    services = InProcess(plan)
    return services, services.run().id


def updates_of(services: InProcess, run_id: str, number: int) -> dict[str, AcceptedUpdate]:
    return dict(services.ports.ledger.accepted(run_id, number))


def check(encoding: str, number: int, data: bytes | None, changes: dict[str, Any]) -> None:
    """Fold the round with the attacker's object and acceptance: the others count, and the attacker as well or not at all."""
    services, run_id = ended(encoding)
    accepted = updates_of(services, run_id, number)
    key = object_keys.update(run_id, number, ATTACKER)
    honest = services.ports.artifacts.get(key)
    if data is not None:
        changes = {"sha256": sha256_hex(data), "size": len(data) or 1} | changes
        services.ports.artifacts.put(key, data)
    accepted[ATTACKER] = accepted[ATTACKER].model_copy(update=changes)
    try:
        round_ = services.ports.ledger.load_round(run_id, number)
        partial = sum_updates(Workbench(services.ports), services.plan, round_, accepted)
    finally:
        services.ports.artifacts.put(key, honest)
    assert partial.refused.keys() <= {ATTACKER}
    assert partial.folded == len(accepted) - len(partial.refused)
    assert b"".join(partial.encoded_parts())


@pytest.mark.parametrize("encoding", ["float32", "float16", "int8", "top-k"])
@pytest.mark.parametrize("number", [0, 1])
@FEW
@given(
    places=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True, allow_subnormal=False), st.integers(0, 255)), min_size=1, max_size=8
    )
)
def test_any_changed_bytes_of_an_update(encoding: str, number: int, places: list[tuple[float, int]]) -> None:
    services, run_id = ended(encoding)
    data = bytearray(services.ports.artifacts.get(object_keys.update(run_id, number, ATTACKER)))
    for place, value in places:
        data[int(place * len(data))] = value
    check(encoding, number, bytes(data), {})


@pytest.mark.parametrize("number", [0, 1])
@FEW
@given(data=st.binary(max_size=300))
def test_any_bytes_for_an_update(number: int, data: bytes) -> None:
    check("float32", number, data, {})


@pytest.mark.parametrize("number", [0, 1])
@FEW
@given(
    changes=st.fixed_dictionaries({"images": st.integers(1), "size": st.integers(1)})
    | st.fixed_dictionaries({"loss_before": st.none() | _LOSSES, "loss_after": _LOSSES})
    | st.fixed_dictionaries({"started_from": st.none() | st.just("0" * 64)})
)
def test_any_values_in_an_acceptance(number: int, changes: dict[str, Any]) -> None:
    check("float32", number, None, changes)


@FEW
@given(record=st.binary(max_size=200) | st.text(max_size=50))
def test_any_record_for_an_acceptance(record: bytes | str) -> None:
    assert read_acceptance(record).images == 1


def strays(run_id: str) -> Iterator[Any]:
    for number in (0, 1, 2, 10**9):
        yield HandleFact(run_id=run_id, fact=RoundReady(run_id=run_id, round=number, because="settled"))
        for shard in (0, 1, 10**9, 2**63 - 1):
            yield FoldShard(run_id=run_id, round=min(number, 1), shard=shard)
    listed = IdentitiesListed(run_id=run_id, correlation_id="x", identity_list_sha256="0" * 64)
    yield HandleFact(run_id=run_id, fact=listed)


def test_stray_messages_change_no_run(faces: Path) -> None:
    expected = InProcess(tiny_plan(faces)).run().model_sha256
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    for _ in range(40):
        if services.ports.ledger.load(run_id).round is not None:
            for message in strays(run_id):
                if not isinstance(message, FoldShard) or message.round <= (services.ports.ledger.load(run_id).round or 0):
                    services.deliver(message, "forged")
        services.step()
    run = services.to_end(run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, expected)
