"""Garbage is what nothing names and what is old."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fedface_control.upkeep import garbage
from fedface_control.upkeep.claims import claim_for_earlier_runs
from fedface_core.adapters.memory import ManualClock, MemoryLedger
from fedface_core.contracts import object_keys
from support.control_rounds import MODEL, NOW, RUN, Control
from support.garbage import collect_garbage

HOUR = timedelta(hours=1)
STRAY = object_keys.report("run-00000000dead", 1)


def test_a_dry_run_finds_what_a_collection_removes() -> None:
    control = Control.empty()
    control.open()
    kept = object_keys.model(MODEL)
    for key in (kept, STRAY):
        control.artifacts.put(key, b"bytes")
    control.clock.advance(3599)
    assert collect_garbage(control.ports, HOUR, dry_run=False) == []
    control.clock.advance(1)
    assert collect_garbage(control.ports, HOUR, dry_run=True) == [STRAY]
    stay = {kept, object_keys.claim(MODEL, RUN), object_keys.EARLIER_RUNS}
    assert set(control.artifacts.keys("")) == {*stay, STRAY}
    assert collect_garbage(control.ports, HOUR, dry_run=False) == [STRAY]
    assert set(control.artifacts.keys("")) == stay


def test_the_age_of_an_artifact_is_measured_by_the_clock_of_the_store() -> None:
    """The ledger's clock is a day ahead of the store's, or behind: what was put just now stays, what is old goes."""
    control = Control.empty()
    for hours in (24, -24):
        clock = ManualClock(NOW + timedelta(hours=hours))
        ports = replace(control.ports, clock=clock, ledger=MemoryLedger(clock))
        control.artifacts.put(STRAY, b"bytes")
        assert collect_garbage(ports, HOUR, dry_run=False) == []
        control.clock.advance(3600)
        assert collect_garbage(ports, HOUR, dry_run=False) == [STRAY]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_of_any_size_find_the_same(limit: int) -> None:
    """Models are compared with the claims on them, which are on other pages."""
    control = Control.empty()
    control.open()
    claim_for_earlier_runs(control.ports)
    models = [digit * 64 for digit in "0123456789abdef"]
    for sha256 in models:
        control.artifacts.put(object_keys.model(sha256), b"bytes")
    claimed = models[::3]
    for sha256 in claimed:
        control.artifacts.put(object_keys.claim(sha256, RUN), b"")
    control.artifacts.put(object_keys.claim(models[1], "run-00000000dead"), b"")
    control.artifacts.put(object_keys.upload(models[4]), b"uploaded")
    control.clock.advance(3600)
    unnamed = {*models} - {*claimed, models[4]}
    expected = [object_keys.claim(models[1], "run-00000000dead"), *map(object_keys.model, sorted(unnamed))]
    assert collect_garbage(control.ports, HOUR, dry_run=True, limit=limit) == expected


def test_claims_on_models_are_listed_a_page_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "CLAIMS_PER_READ", 2)
    control = Control.empty()
    control.open()
    models = sorted(digit * 64 for digit in "0123456789")
    for sha256 in models:
        control.artifacts.put(object_keys.model(sha256), b"bytes")
        for run_id in (RUN, "run-00000000dead", "run-00000000beef"):
            control.artifacts.put(object_keys.claim(sha256, run_id), b"")
    control.clock.advance(3600)
    found = collect_garbage(control.ports, HOUR, dry_run=True, limit=4)
    assert not [key for key in found if key.startswith(object_keys.MODELS)]
    assert len(found) == 20, "the claims of runs that do not exist"
