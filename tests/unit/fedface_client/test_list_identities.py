"""The identity list is put before it is reported, once, and from the data set as it is now."""

from __future__ import annotations

from pathlib import Path

from fedface_control.operate.run import cancel_run
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import HandleFact, ListIdentities
from fedface_core.domain.facts import IdentitiesListed, StepFailed
from fedface_learning.data import open_photographs
from fedface_learning.data.identity_list import identity_list
from fedface_learning.formats.codec import sha256_hex
from support.in_process import InProcess
from support.tiny_run import tiny_plan


def listed(services: InProcess, run_id: str) -> list[object]:
    """What is reported if the run's identities are to be listed now."""
    services.publisher.published.clear()
    services.deliver_now(ListIdentities(run_id=run_id))
    return [command.fact for command in services.publisher.commands if isinstance(command, HandleFact)]


def test_a_list_is_put_and_then_reported(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    data = identity_list(open_photographs(services.plan).identities)
    correlation_id = services.ports.ledger.load(run_id).correlation_id
    fact = IdentitiesListed(run_id=run_id, correlation_id=correlation_id, identity_list_sha256=sha256_hex(data))
    for _ in range(2):
        assert listed(services, run_id) == [fact]
    key = object_keys.identity_list(run_id, sha256_hex(data))
    assert services.ports.artifacts.keys(f"runs/{run_id}/identity_lists/") == [key]
    assert services.ports.artifacts.get(key) == data
    assert services.effect_log.effects[-2:] == [f"put {key}", "publish HandleFact"]


def test_a_run_that_has_its_list_or_has_ended_needs_none(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.identity_list_sha256 is not None)
    assert listed(services, run_id) == []
    cancelled = services.start()
    cancel_run(services.ports, cancelled)
    assert listed(services, cancelled) == []


def test_a_data_set_that_cannot_be_listed_fails_the_step(tmp_path: Path) -> None:
    services = InProcess(tiny_plan(tmp_path / "nowhere"))
    run_id = services.start()
    (failed,) = listed(services, run_id)
    assert isinstance(failed, StepFailed)
    assert (failed.round, failed.fresh_cohort_may_help) == (None, False)
    assert failed.reason.startswith(
        "the identities cannot be listed: data.folder: there is no folder of photographs of this name"
    )
