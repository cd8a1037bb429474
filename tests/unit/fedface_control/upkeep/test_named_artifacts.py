"""Which artifacts a run names, and so must stay."""

from __future__ import annotations

import pytest

from fedface_control.records import save_ended_round
from fedface_control.upkeep.named_artifacts import NamedArtifacts, aggregations, manifests, named_by, restorable_runs
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import DamagedObjectError
from fedface_core.domain.run import RunPhase
from support.control_rounds import MODEL, NOW, RUN, Control, a_round, an_aggregation

OTHER = "f" * 64
EMBEDDINGS = "d" * 64


def named_keys(named: NamedArtifacts, keys: list[str]) -> set[str]:
    return {key for key in keys if key in named}


def test_a_run_in_the_ledger_names_its_models_its_round_objects_and_its_updates() -> None:
    control = Control.empty()
    control.open()
    named = named_by(control.ports, RUN)
    keys = [object_keys.run(RUN), object_keys.update(RUN, 0, "client-000001")]
    assert named.models == {MODEL}
    assert named_keys(named, [*keys, object_keys.class_embeddings(RUN, EMBEDDINGS)]) == {*keys}


def test_a_lost_run_names_what_its_record_and_its_manifests_name() -> None:
    control = Control.empty()
    run = control.open()
    closed = control.ledger.load_round(RUN, 0).closed(NOW)
    run = control.ledger.save(run, "round_closed", changed=closed)
    aggregated = closed.aggregated(an_aggregation())
    save_ended_round(control.ports, run, "round_abandoned", aggregated.abandoned(NOW, "an operator retried it"))
    control.ledger.delete(RUN)
    named = named_by(control.ports, RUN)
    assert named.models == {MODEL}
    assert object_keys.class_embeddings(RUN, EMBEDDINGS) in named
    assert [manifest.round.number for manifest in manifests(control.artifacts, RUN)] == [0]
    control.artifacts.put(object_keys.run(RUN), b"half a rec")
    with pytest.raises(DamagedObjectError):
        named_by(control.ports, RUN)


def test_an_aggregation_names_its_objects_before_it_is_recorded() -> None:
    control = Control.empty()
    control.open()
    control.artifacts.put(object_keys.aggregation(RUN, 0, "e" * 64), an_aggregation().model_dump_json().encode())
    named = named_by(control.ports, RUN)
    for aggregation in aggregations(control.artifacts, RUN):
        named.add_aggregation(aggregation)
    assert object_keys.class_embeddings(RUN, EMBEDDINGS) in named


def test_a_run_names_its_identity_list_or_every_list_until_it_has_one() -> None:
    control = Control.empty()
    waiting = control.create(RunPhase.PREPARING)
    lists = [object_keys.identity_list(RUN, sha256) for sha256 in (MODEL, OTHER)]
    assert named_keys(named_by(control.ports, RUN), lists) == set(lists)
    control.ledger.save(waiting.with_identity_list(OTHER), "identities_listed")
    assert named_keys(named_by(control.ports, RUN), lists) == {lists[1]}


def test_a_round_names_its_anchor() -> None:
    named = NamedArtifacts()
    named.add_run(Control.empty().open(number=1), [a_round().model_copy(update={"anchor_sha256": OTHER})])
    assert OTHER in named.models


@pytest.mark.parametrize(("kept_from", "expected"), [(1, True), (2, False)])
def test_updates_before_the_first_kept_round_are_not_named(kept_from: int, expected: bool) -> None:
    named = NamedArtifacts(updates_kept_from=kept_from)
    named.add_run(Control.empty().open(number=1), [a_round()])
    assert (object_keys.update(RUN, 1, "client-000001") in named) is expected
    assert (object_keys.partial(RUN, 1, 0, "e" * 64) in named) is expected
    assert object_keys.manifest(RUN, 1) in named


def test_a_residual_that_a_client_needs_stays_though_it_is_old() -> None:
    named = NamedArtifacts(updates_kept_from=3)
    round_3 = a_round(number=3).model_copy(update={"residuals": {"client-000001": 1}})
    named.add_run(Control.empty().open(number=3).replace(updates_kept_from=3), [round_3])
    needed = object_keys.residual(RUN, 1, "client-000001", OTHER)
    assert needed in named
    assert object_keys.residual(RUN, 1, "client-000002", OTHER) not in named


def test_a_run_is_restorable_by_its_record_or_a_manifest() -> None:
    one, other, third = (f"run-{digit * 12}" for digit in "abc")
    keys = [object_keys.run(one), object_keys.manifest(other, 0), object_keys.update(third, 0, "client-000001")]
    strays = ["runs/x", "runs/x/run.json", f"runs/{third}/rounds/x/manifest.json", f"runs/{third}/rounds", "stray"]
    assert restorable_runs([*keys, *strays]) == {one, other}
