"""What every `Journal` of a client promises: a dictionary, and the objects of a store. Each value is set once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from fedface_client.stored_journal import StoredJournal
from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.domain.errors import DamagedObjectError
from fedface_core.secure_aggregation.masking_client import Journal

RUN = "run-0123456789ab"
CLIENT = "client-000001"
KEY = f"summed {RUN} {'0' * 32} {'a' * 64}"


@pytest.fixture(params=["dictionary", "memory", "directory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    match request.param:
        case "dictionary":
            return {}
        case "memory":
            return StoredJournal(MemoryArtifacts(), RUN, CLIENT)
        case _:
            return StoredJournal(LocalArtifacts(tmp_path), RUN, CLIENT)


def test_what_was_never_written_is_none(journal: Journal) -> None:
    assert journal.get(KEY) is None


def test_the_first_value_stays(journal: Journal) -> None:
    assert journal.setdefault(KEY, "first") == "first"
    assert journal.setdefault(KEY, "second") == "first"
    assert journal.setdefault(KEY, "first") == "first"
    assert journal.get(KEY) == "first"
    assert journal.setdefault(KEY + "b", "other") == "other"
    assert journal.get(KEY) == "first"


def test_of_writers_at_the_same_time_all_are_told_the_same_value(journal: Journal) -> None:
    start = Barrier(4)

    def write(number: int) -> str:
        start.wait()
        return journal.setdefault(KEY, str(number))

    with ThreadPoolExecutor(4) as pool:
        told = set(pool.map(write, range(4)))
    assert told == {journal.get(KEY)}


def test_clients_have_journals_of_their_own() -> None:
    store = MemoryArtifacts()
    StoredJournal(store, RUN, CLIENT).setdefault(KEY, "mine")
    other = StoredJournal(store, RUN, "client-000002")
    assert other.get(KEY) is None
    assert other.setdefault(KEY, "theirs") == "theirs"
    assert StoredJournal(store, RUN, CLIENT).get(KEY) == "mine"


@pytest.mark.parametrize("stored", [b"", b"{}", b'{"key":"another","value":"x"}', b"x" * 10_000])
def test_what_is_no_entry_is_an_error_and_no_value(stored: bytes) -> None:
    store = MemoryArtifacts()
    journal = StoredJournal(store, RUN, CLIENT)
    journal.setdefault(KEY, "value")
    [place] = store.keys("")
    store.put(place, stored)
    with pytest.raises(DamagedObjectError, match=f"journals/{CLIENT}"):
        journal.get(KEY)
    with pytest.raises(DamagedObjectError, match=f"journals/{CLIENT}"):
        journal.setdefault(KEY, "value")
