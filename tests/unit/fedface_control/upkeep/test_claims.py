"""Runs of earlier versions, which put no claims, get them once, whatever interrupts that."""

from __future__ import annotations

import pytest

from fedface_control.records import save_new_run
from fedface_control.upkeep import claims
from fedface_control.upkeep.claims import claim_for_earlier_runs, is_claimed
from fedface_core.contracts import object_keys
from fedface_core.domain.ids import new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run, RunPhase
from support.control_rounds import MODEL, NOW, RUN, Control, an_aggregation
from support.lost_ledger import lose_run

OTHER = "f" * 64


def claimed(control: Control) -> set[tuple[str, str]]:
    """Every claim: model version and run."""
    keys = {*control.artifacts.keys(object_keys.CLAIMS)} - {object_keys.EARLIER_RUNS}
    return {object_keys.parse_claim_key(key) for key in keys}


def earlier_runs(control: Control, count: int) -> list[str]:
    """Create runs whose plans start from `OTHER`, without their claims."""
    plan = Plan.model_validate({"model": {"weights": OTHER}})
    runs = sorted(new_run_id() for _ in range(count))
    for run_id in runs:
        save_new_run(control.ports, Run(id=run_id, plan=plan, correlation_id="abc", created_at=NOW))
    control.artifacts.delete_all(control.artifacts.keys(object_keys.CLAIMS))
    return runs


def test_a_model_is_claimed_by_a_run_or_an_upload() -> None:
    control = Control.empty()
    assert not is_claimed(control.artifacts, MODEL)
    control.artifacts.put(object_keys.claim(MODEL, RUN), b"")
    control.artifacts.put(object_keys.upload(OTHER), b"uploaded")
    assert is_claimed(control.artifacts, MODEL)
    assert is_claimed(control.artifacts, OTHER)
    assert not is_claimed(control.artifacts, "e" * 64)


def test_the_weights_that_a_new_run_starts_from_are_claimed_with_its_creation() -> None:
    control = Control.empty()
    plan = Plan.model_validate({"model": {"weights": OTHER}})
    save_new_run(control.ports, Run(id=RUN, plan=plan, correlation_id="abc", created_at=NOW))
    assert claimed(control) == {(OTHER, RUN)}


def test_a_run_of_an_earlier_version_claims_what_it_names_and_what_is_not_recorded_yet() -> None:
    control = Control.empty()
    control.open()
    unrecorded = an_aggregation().model_copy(update={"model_sha256": OTHER})
    control.artifacts.put(object_keys.aggregation(RUN, 0, "e" * 64), unrecorded.model_dump_json().encode())
    claim_for_earlier_runs(control.ports)
    assert claimed(control) == {(MODEL, RUN), (OTHER, RUN)}


def test_a_lost_run_of_an_earlier_version_claims_too() -> None:
    control = Control.empty()
    (run_id,) = earlier_runs(control, 1)
    lose_run(control.ledger, run_id)
    claim_for_earlier_runs(control.ports)
    assert claimed(control) == {(OTHER, run_id)}


def test_a_run_that_nobody_can_read_claims_every_model_that_there_is() -> None:
    control = Control.empty()
    control.artifacts.put(object_keys.run(RUN), b"half a rec")
    for sha256 in (MODEL, OTHER):
        control.artifacts.put(object_keys.model(sha256), b"whose?")
    claim_for_earlier_runs(control.ports)
    assert claimed(control) == {(MODEL, RUN), (OTHER, RUN)}


def test_a_run_that_waits_for_its_initial_model_claims_every_model_that_there_is() -> None:
    """The model may be put, and its SHA-256 only in a message."""
    control = Control.empty()
    control.create(RunPhase.PREPARING)
    control.artifacts.put(object_keys.model(OTHER), b"whose?")
    claim_for_earlier_runs(control.ports)
    assert claimed(control) == {(OTHER, RUN)}


def test_it_is_done_once_and_later_calls_read_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control.empty()
    earlier_runs(control, 3)
    claim_for_earlier_runs(control.ports)
    monkeypatch.setattr(control.artifacts, "keys", lambda _prefix: pytest.fail("the store was listed again"))
    monkeypatch.setattr(control.ledger, "runs", lambda: pytest.fail("the runs were read again"))
    claim_for_earlier_runs(control.ports)


def test_an_interrupted_call_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RUNS_PER_MARK", 2)
    control = Control.empty()
    runs = earlier_runs(control, 7)
    load = control.ledger.load
    read: list[str] = []

    def load_until_killed(run_id: str) -> Run:
        if run_id == runs[5]:
            raise KeyboardInterrupt
        read.append(run_id)
        return load(run_id)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(control.ledger, "load", load_until_killed)
        with pytest.raises(KeyboardInterrupt):
            claim_for_earlier_runs(control.ports)
    assert set(read) == set(runs[:5])

    def load_again(run_id: str) -> Run:
        read.append(run_id)
        return load(run_id)

    monkeypatch.setattr(control.ledger, "load", load_again)
    read.clear()
    claim_for_earlier_runs(control.ports)
    assert set(read) == set(runs[4:]), "the mark says that four are done"
    assert claimed(control) == {(OTHER, run_id) for run_id in runs}
    assert control.artifacts.get(object_keys.EARLIER_RUNS) == b"all"
