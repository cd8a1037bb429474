"""Which artifacts are named, and so must stay."""

from __future__ import annotations

import pytest

from fedface_control.upkeep.named_artifacts import NamedArtifacts, named_artifacts, restorable_runs
from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from support.control_rounds import MODEL, RUN, Control, a_round, an_aggregation

OTHER = "f" * 64
SHARED = [object_keys.model(MODEL), object_keys.class_embeddings(RUN, "d" * 64), object_keys.run(RUN)]


def named_by(control: Control, keys: list[str], *, without: str | None = None) -> set[str]:
    named = named_artifacts(control.ports, keys, without=without)
    return {key for key in keys if key in named}


def test_a_run_names_its_models_its_round_objects_and_its_updates() -> None:
    control = Control.empty()
    control.open()
    keys = [*SHARED, object_keys.update(RUN, 0, "client-000001"), object_keys.model(OTHER)]
    assert named_by(control, keys) == {object_keys.model(MODEL), object_keys.run(RUN), keys[3]}
    assert named_by(control, keys, without=RUN) == set()


def test_an_aggregation_names_its_objects_before_it_is_recorded() -> None:
    control = Control.empty()
    control.open()
    key = object_keys.aggregation(RUN, 0, "e" * 64)
    control.artifacts.put(key, an_aggregation().model_dump_json().encode())
    assert named_by(control, [*SHARED, key]) == {*SHARED, key}


def test_a_run_that_waits_for_its_model_names_every_model() -> None:
    control = Control.empty()
    control.create(RunPhase.PREPARING)
    assert named_by(control, [object_keys.model(OTHER)]) == {object_keys.model(OTHER)}


def test_a_run_names_its_identity_list_or_every_list_until_it_has_one() -> None:
    control = Control.empty()
    waiting = control.create(RunPhase.PREPARING)
    lists = [object_keys.identity_list(RUN, sha256) for sha256 in (MODEL, OTHER)]
    assert named_by(control, lists) == set(lists)
    control.ledger.save(waiting.with_identity_list(OTHER), "identities_listed")
    assert named_by(control, lists) == {lists[1]}
    assert named_by(control, lists, without=RUN) == set()


def test_an_unreadable_run_names_every_model_and_all_of_its_own_objects() -> None:
    control = Control.empty()
    control.artifacts.put(object_keys.run(RUN), b"half a rec")
    keys = [*SHARED, object_keys.model(OTHER), object_keys.report("run-00000000dead", 1)]
    assert named_by(control, keys) == set(keys[:4])


@pytest.mark.parametrize(("kept_from", "expected"), [(1, True), (2, False)])
def test_updates_before_the_first_kept_round_are_not_named(kept_from: int, expected: bool) -> None:
    named = NamedArtifacts()
    control = Control.empty()
    named.add_run(control.open(number=1).replace(updates_kept_from=kept_from), [a_round()])
    assert (object_keys.update(RUN, 1, "client-000001") in named) is expected
    assert (object_keys.partial(RUN, 1, 0, "e" * 64) in named) is expected
    assert object_keys.manifest(RUN, 1) in named


def test_a_residual_that_a_client_needs_stays_though_it_is_old() -> None:
    named = NamedArtifacts()
    round_3 = a_round(number=3).model_copy(update={"residuals": {"client-000001": 1}})
    named.add_run(Control.empty().open(number=3).replace(updates_kept_from=3), [round_3])
    needed = object_keys.residual(RUN, 1, "client-000001", OTHER)
    assert needed in named
    assert object_keys.residual(RUN, 1, "client-000002", OTHER) not in named


def test_a_run_is_restorable_by_its_record_or_a_manifest() -> None:
    keys = [object_keys.run("run-a"), object_keys.manifest("run-b", 0), object_keys.update("run-c", 0, "client-000001")]
    assert restorable_runs(keys) == {"run-a", "run-b"}
