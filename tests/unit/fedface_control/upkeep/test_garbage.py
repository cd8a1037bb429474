"""Garbage is what nothing names and what is old."""

from __future__ import annotations

from datetime import timedelta

from fedface_control.upkeep.garbage import collect_garbage
from fedface_core.contracts import object_keys
from support.control_rounds import MODEL, Control

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
