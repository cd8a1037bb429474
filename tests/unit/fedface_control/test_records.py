"""Records and manifests in the store agree with the ledger, whichever process was faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fedface_control import records
from fedface_control.records import accepted_updates, enrolled_clients, save_ended_round, save_new_run, save_run
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import NotFoundError, StaleVersionError
from fedface_core.domain.ids import client_id
from fedface_core.domain.run import Run, RunPhase
from support.control_rounds import NOW, PLAN, RUN, Control, an_aggregation
from support.lost_ledger import lose_run


def record(control: Control) -> Run:
    return Run.model_validate_json(control.artifacts.get(object_keys.run(RUN)))


def at_puts(control: Control, monkeypatch: pytest.MonkeyPatch, key: str, *changes: Callable[[], object]) -> None:
    """Have other processes make these changes just before each of the first puts of this key reaches the store."""
    put = control.artifacts.put
    to_come = [*changes]

    def put_too_late(put_key: str, *data: Any) -> None:
        if put_key == key and to_come:
            to_come.pop(0)()
        put(put_key, *data)

    monkeypatch.setattr(control.artifacts, "put", put_too_late)


def deleted(control: Control) -> None:
    """What a deletion does, in its order."""
    control.artifacts.delete_all(control.artifacts.keys(object_keys.run_folder(RUN)))
    control.ledger.delete(RUN)


def manifest(control: Control) -> Manifest:
    return Manifest.model_validate_json(control.artifacts.get(object_keys.manifest(RUN, 0)))


def test_the_record_is_the_run_as_it_is_stored() -> None:
    control = Control.empty()
    saved = save_run(control.ports, control.create(RunPhase.RUNNING).pausing(), "run_pausing")
    assert record(control) == saved == control.ledger.load(RUN)


def test_the_record_of_a_change_that_came_too_late_is_corrected() -> None:
    control = Control.empty()
    late = control.create(RunPhase.RUNNING)
    cancelled = control.ledger.save(late.cancelled(NOW), "run_cancelled")
    with pytest.raises(StaleVersionError):
        save_run(control.ports, late.pausing(), "run_pausing")
    assert record(control) == cancelled


def test_a_run_that_was_deleted_meanwhile_has_no_record() -> None:
    control = Control.empty()
    late = control.create(RunPhase.RUNNING)
    control.ledger.delete(RUN)
    with pytest.raises(NotFoundError):
        save_run(control.ports, late.pausing(), "run_pausing")
    assert control.artifacts.keys("") == []


@pytest.mark.parametrize("with_round", [False, True])
def test_nothing_is_left_of_a_run_that_is_deleted_while_its_change_is_put(
    monkeypatch: pytest.MonkeyPatch, with_round: bool
) -> None:
    control = Control.empty()
    late = control.open()
    ended = control.ledger.load_round(RUN, 0).abandoned(NOW, "too few updates")
    last_put = object_keys.manifest(RUN, 0) if with_round else object_keys.run(RUN)
    at_puts(control, monkeypatch, last_put, lambda: deleted(control))
    with pytest.raises(NotFoundError):
        save_run(control.ports, late.cancelled(NOW), "run_cancelled", changed=ended if with_round else None)
    assert control.artifacts.keys("") == []


def test_what_a_lost_run_is_restored_from_stays() -> None:
    """The ledger is away, and comes back empty while a change waits for it. Nobody has deleted the run."""
    control = Control.empty()
    late = control.open()
    lose_run(control.ledger, RUN)
    with pytest.raises(NotFoundError):
        save_run(control.ports, late.cancelled(NOW), "run_cancelled")
    assert record(control).phase is RunPhase.CANCELLED


def test_a_correction_is_corrected_if_the_run_changes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control.empty()
    late = control.create(RunPhase.RUNNING)
    control.ledger.save(late.pausing(), "run_pausing")

    def cancel() -> None:
        save_run(control.ports, control.ledger.load(RUN).cancelled(NOW), "run_cancelled")

    at_puts(control, monkeypatch, object_keys.run(RUN), lambda: None, cancel)
    with pytest.raises(StaleVersionError):
        save_run(control.ports, late.paused_at_once(NOW), "run_paused")
    assert record(control) == control.ledger.load(RUN)
    assert record(control).phase is RunPhase.CANCELLED


def test_a_correction_is_taken_back_if_the_run_is_deleted_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control.empty()
    late = control.create(RunPhase.RUNNING)
    control.ledger.save(late.cancelled(NOW), "run_cancelled")
    at_puts(control, monkeypatch, object_keys.run(RUN), lambda: None, lambda: deleted(control))
    with pytest.raises(StaleVersionError):
        save_run(control.ports, late.pausing(), "run_pausing")
    assert control.artifacts.keys("") == []


def test_a_new_life_of_a_run_gets_no_manifest_of_the_life_before(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control.empty()
    late = control.open()
    ended = control.ledger.load_round(RUN, 0).abandoned(NOW, "too few updates")

    def created_again() -> None:
        deleted(control)
        lose_run(control.ledger, RUN)  # what it remembers of the deletion too
        save_new_run(control.ports, Run(id=RUN, plan=PLAN, correlation_id="another life", created_at=NOW))

    at_puts(control, monkeypatch, object_keys.manifest(RUN, 0), created_again)
    with pytest.raises(StaleVersionError):
        save_ended_round(control.ports, late, "round_abandoned", ended)
    assert control.artifacts.keys("") == [object_keys.run(RUN)]
    assert record(control) == control.ledger.load(RUN)


def test_a_new_run_whose_id_is_taken_is_the_stored_one() -> None:
    control = Control.empty()
    first = save_new_run(control.ports, Run(id=RUN, plan=PLAN, correlation_id="first", created_at=NOW))
    again = save_new_run(control.ports, Run(id=RUN, plan=PLAN, correlation_id="second", created_at=NOW))
    assert again == first == record(control)


def test_a_manifest_holds_the_round_its_updates_and_its_failures() -> None:
    control = Control.empty()
    run = control.open()
    control.accept(4, 0)
    control.ledger.fail(RUN, 0, client_id(1), "no photographs")
    ended = control.ledger.load_round(RUN, 0).abandoned(NOW, "nobody answered")
    saved = save_ended_round(control.ports, run, "round_abandoned", ended)
    stored = manifest(control)
    assert (stored.run, stored.round) == (saved, ended)
    assert dict(stored.accepted) == dict(control.ledger.accepted(RUN, 0))
    assert list(stored.accepted) == [client_id(0), client_id(4)]
    assert dict(stored.failed) == {client_id(1): "no photographs"}


def test_the_manifest_of_the_faster_process_stays() -> None:
    control = Control.empty()
    late = control.open()
    current = control.ledger.load_round(RUN, 0)
    faster = save_ended_round(control.ports, late, "round_abandoned", current.abandoned(NOW, "an operator retried it"))
    with pytest.raises(StaleVersionError):
        save_ended_round(control.ports, late, "round_abandoned", current.abandoned(NOW, "too few updates"))
    assert manifest(control).round.abandoned_because == "an operator retried it"
    assert manifest(control).run == faster


def test_updates_are_read_in_client_order_whatever_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "UPDATES_PER_READ", 2)
    control = Control.empty()
    control.open()
    control.accept(6, 0, 3, 1, 5)
    found = list(accepted_updates(control.ports, RUN, 0))
    assert [client for client, _ in found] == [client_id(index) for index in (0, 1, 3, 5, 6)]
    assert dict(found) == dict(control.ledger.accepted(RUN, 0))


def test_whoever_was_refused_at_the_fold_is_not_enrolled() -> None:
    control = Control.empty()
    run = control.open()
    control.accept(0, 2, 3)
    assert enrolled_clients(control.ports, run) == (), "not aggregated yet"
    aggregation = an_aggregation(refused={client_id(2): "damaged"})
    closed = control.ledger.load_round(RUN, 0).closed(NOW)
    run = control.ledger.save(run, "round_closed", changed=closed)
    control.ledger.save(run, "round_aggregated", changed=closed.aggregated(aggregation))
    assert enrolled_clients(control.ports, run) == (client_id(0), client_id(3))
