"""Garbage is what nothing names and what is old."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from fedface_control.upkeep.garbage import collect_garbage
from fedface_core.adapters.memory import ManualClock, MemoryLedger
from fedface_core.contracts import object_keys
from support.control_rounds import MODEL, NOW, Control

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
    assert set(control.artifacts.keys("")) == {kept, STRAY}
    assert collect_garbage(control.ports, HOUR, dry_run=False) == [STRAY]
    assert control.artifacts.keys("") == [kept]


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
