"""The table in docs/security.md says what the table in the code says, and the table keeps to its principles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fedface_core.access.permissions import Identity
from fedface_core.access.table import TABLE
from fedface_core.contracts.tasks import QUEUES

PAGE = Path(__file__).parents[4] / "docs/security.md"
BIOMETRIC = {"update", "row", "class_embedding", "residual"}


def documented() -> dict[str, list[str]]:
    rows = re.findall(r"^\| `([a-z]+)` \| (.*) \| (.*) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: cells for name, *cells in rows}


def written(identity: Identity) -> list[str]:
    grants = [grant.what for grant in TABLE[identity].redis[1:]]
    store = TABLE[identity].store
    reads = ", ".join(sorted(store.reads)) if store else "nothing"
    puts = ", ".join(sorted(store.puts)) if store else "nothing"
    if store and store.lists_and_removes:
        puts += "; lists and removes all"
    return ["; ".join(grants) or "nothing", reads, puts]


def test_every_identity_has_a_row() -> None:
    assert {*documented()} == {str(identity) for identity in Identity} == {str(identity) for identity in TABLE}


@pytest.mark.parametrize("identity", Identity)
def test_the_documented_row_is_that_of_the_code(identity: Identity) -> None:
    assert documented()[str(identity)] == written(identity)


@pytest.mark.parametrize("identity", [Identity.CONTROL, Identity.SWEEP, Identity.EVALUATOR])
def test_who_does_not_compute_sees_nothing_biometric_of_one_person(identity: Identity) -> None:
    store = TABLE[identity].store
    assert store is not None
    assert not BIOMETRIC & {*store.reads, *store.puts}


def test_a_client_worker_and_the_aggregator_have_the_two_halves_of_masks() -> None:
    """Shares are opened by client workers, which simulate devices; what devices reveal is put together by the aggregator."""
    client = TABLE[Identity.CLIENT].store
    aggregator = TABLE[Identity.AGGREGATOR].store
    assert client is not None
    assert aggregator is not None
    assert {"received_share", "journal"} <= {*client.reads} - {*aggregator.reads}
    assert {"key_bundle", "revelation"} <= {*aggregator.reads} - {*client.reads}
    assert {"device", "key_bundle", "signature", "revelation", "journal"} <= {*client.puts} - {*aggregator.puts}


@pytest.mark.parametrize("identity", [Identity.CONTROL, Identity.SWEEP, Identity.EVALUATOR])
def test_who_closes_rounds_reads_no_share(identity: Identity) -> None:
    store = TABLE[identity].store
    assert store is not None
    assert not {"key_bundle", "received_share", "revelation", "journal"} & {*store.reads, *store.puts}


def test_a_queue_is_read_by_one_identity() -> None:
    readers = [key for one in TABLE.values() for grant in one.redis for key in grant.reads if key in QUEUES]
    assert sorted(readers) == sorted(QUEUES)
