"""Which run and which round made a model version, and from which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fedface_control import lineage
from fedface_control.lineage import model_card, model_page
from fedface_control.operate.run import clone_run, create_run, start_run
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import ModelVersion
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError, NotFoundError
from fedface_core.domain.plan import Plan
from fedface_core.ports import RoundSummary
from support.in_process import InProcess
from support.lost_ledger import lose_run

UPLOAD = "5" * 64
RUN = "run-0123456789ab"


def all_pages(services: InProcess, limit: int) -> list[ModelVersion]:
    found: list[ModelVersion] = []
    after = ""
    for _ in range(100):
        page = model_page(services.ports, after, limit)
        assert len(page.models) <= limit
        found += page.models
        if page.next is None:
            return found
        after = page.next
    raise AssertionError("the pages never end")


def test_each_model_is_listed_with_the_round_that_made_it_and_its_base(services: InProcess) -> None:
    run = services.run()
    rounds = [glance.round for glance in services.ports.ledger.round_summaries(run.id)]
    prepared, *made = model_page(services.ports, "", 50).models
    assert (prepared.source, prepared.sha256, prepared.run_id) == ("prepared", rounds[0].model_sha256, run.id)
    assert prepared.base_sha256 is None
    (trained,) = (version for version in made if version.round == 1)
    assert rounds[1].aggregation is not None
    assert trained.sha256 == rounds[1].aggregation.model_sha256 == run.model_sha256
    assert (trained.source, trained.base_sha256) == ("round", rounds[1].model_sha256)
    assert (trained.scores, trained.made_at) == (rounds[1].scores, rounds[1].finished_at)


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_the_pages_have_every_model_once_and_in_order(services: InProcess, limit: int) -> None:
    first = services.run()
    services.clock.advance(1)
    second = clone_run(services.ports, first.id, {"seed": 1})
    start_run(services.ports, second.id)
    services.to_end(second.id)
    create_run(services.ports, services.plan)
    services.ports.artifacts.put(object_keys.upload(UPLOAD), b"uploaded")
    found = all_pages(services, limit)
    assert found == all_pages(services, 200)
    places = [(version.run_id, version.source, version.round) for version in found]
    assert len(set(places)) == len(places)
    assert [*dict.fromkeys(version.run_id for version in found[:-1])] == [second.id, first.id], "the newest run first"
    assert (found[-1].source, found[-1].sha256) == ("uploaded", UPLOAD)


def test_a_page_looks_at_a_bounded_number_of_runs(services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    run = services.run()
    monkeypatch.setattr(lineage, "RUNS_LOOKED_AT", 5)
    services.clock.advance(1)  # runs created at one moment come in the order of their ids, which are drawn
    for _ in range(12):
        create_run(services.ports, services.plan)
    page = model_page(services.ports, "", 50)
    assert page.models == []
    assert page.next is not None
    assert {version.run_id for version in all_pages(services, 50)} == {run.id}


def test_a_run_that_only_has_its_first_model_is_listed_with_it(services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.model_sha256 is not None)
    run = services.ports.ledger.load(run_id)
    assert [(version.source, version.sha256) for version in all_pages(services, 1)] == [("prepared", run.model_sha256)]


@pytest.mark.parametrize(
    "after", ["run-1", "run-0123456789ab", "../x", "run-0123456789ab/1x", "run-0123456789ab/99999999999"]
)
def test_a_place_that_no_page_gave_is_refused(services: InProcess, after: str) -> None:
    with pytest.raises(InvalidInputError, match="no `next` of a page before"):
        model_page(services.ports, after, 1)


def test_a_page_after_a_deleted_run_is_not_found(services: InProcess) -> None:
    with pytest.raises(NotFoundError, match=f"there is no run {RUN}"):
        model_page(services.ports, f"{RUN}/1", 1)


def test_a_card_says_who_made_the_model_and_by_which_plan(services: InProcess, plan: Plan) -> None:
    run = services.run()
    assert run.model_sha256 is not None
    card = model_card(services.ports, run.model_sha256)
    assert card.size == services.ports.artifacts.size(object_keys.model(run.model_sha256))
    assert [(version.run_id, version.round) for version in card.made_by] == [(run.id, 1)]
    assert (card.used_by, card.plan, card.uploaded) == ([run.id], plan, False)
    assert card.parameters is not None
    assert card.parameters * 4 < card.size, "of float32, with a header"


def test_a_card_reads_one_round_of_a_run_whatever_made_the_model(
    services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = services.run()
    made = {version.sha256: version for version in all_pages(services, 50)}
    read: list[int] = []
    summaries = services.ports.ledger.round_summaries

    def counted(*arguments: Any) -> Sequence[RoundSummary]:
        found = summaries(*arguments)
        read.append(len(found))
        return found

    monkeypatch.setattr(services.ports.ledger, "round_summaries", counted)
    assert {version.source for version in made.values()} == {"prepared", "round"}
    for sha256, version in made.items():
        assert model_card(services.ports, sha256).made_by == [version]
        assert read == [1]
        read.clear()
    assert run.model_sha256 in made


@pytest.mark.parametrize("content", [b"", b"-1", b"seven", b"7", b"9" * 1000])
def test_a_claim_of_an_earlier_version_or_with_a_wrong_round_is_no_harm(services: InProcess, content: bytes) -> None:
    run = services.run()
    sha256 = run.model_sha256 or ""
    services.ports.artifacts.put(object_keys.claim(sha256, run.id), content)
    made_by = model_card(services.ports, sha256).made_by
    names_a_round = content.isdigit()
    assert [version.round for version in made_by] == ([] if names_a_round else [1])


def test_a_card_looks_at_a_bounded_number_of_rounds_if_no_claim_names_one(
    services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = services.run()
    sha256 = run.model_sha256 or ""
    services.ports.artifacts.put(object_keys.claim(sha256, run.id), b"")
    monkeypatch.setattr(lineage, "ROUNDS_LOOKED_AT", 1)
    card = model_card(services.ports, sha256)
    assert (card.made_by, card.used_by) == ([], [run.id])


def test_a_card_of_the_first_model_of_a_run_that_has_no_round_yet_names_the_run(services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.model_sha256 is not None)
    sha256 = services.ports.ledger.load(run_id).model_sha256 or ""
    assert [(one.source, one.run_id) for one in model_card(services.ports, sha256).made_by] == [("prepared", run_id)]


def test_a_run_that_starts_from_a_model_uses_it_and_did_not_make_it(services: InProcess) -> None:
    run = services.run()
    assert run.model_sha256 is not None
    clone = clone_run(services.ports, run.id, {"model": {"weights": run.model_sha256}})
    start_run(services.ports, clone.id)
    ended = services.to_end(clone.id)
    card = model_card(services.ports, run.model_sha256)
    assert {*card.used_by} == {run.id, clone.id}
    assert {version.run_id for version in card.made_by} == {run.id}
    of_clone = [version for version in all_pages(services, 50) if version.run_id == clone.id]
    assert of_clone[0].base_sha256 == run.model_sha256, "the lineage goes on over runs"
    assert of_clone[-1].sha256 == ended.model_sha256


def test_a_card_outlives_its_run_in_the_ledger(services: InProcess) -> None:
    run = services.run()
    assert run.model_sha256 is not None
    lose_run(services.ports.ledger, run.id)
    card = model_card(services.ports, run.model_sha256)
    assert (card.made_by, card.used_by, card.plan) == ([], [], None)


def test_an_unknown_model_has_no_card(services: InProcess) -> None:
    with pytest.raises(ArtifactMissingError):
        model_card(services.ports, "7" * 64)
