"""Pages of a filtered list look at a bounded number of runs, and together have each run that fits once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from fedface_control import run_listing
from fedface_control.run_listing import RunFilter, list_runs
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import RunViews
from support.api_answers import NOW

COUNT = 30


class Ledger:
    """Runs by age, the newest first. The record of every seventh cannot be read."""

    def __init__(self, runs: list[Run], unreadable: int = 7) -> None:
        self._all = runs
        self._broken = {run.id for run in runs[3::unreadable]} if unreadable else set()
        self.asked: list[int] = []

    def _page(self, limit: int | None, before: str | None) -> list[Run]:
        ids = [run.id for run in self._all]
        first = 0 if before is None else ids.index(before) + 1
        return self._all[first:][:limit]

    def runs(self, limit: int | None = None, before: str | None = None) -> Sequence[Run]:
        self.asked.append(limit or 0)
        return [run for run in self._page(limit, before) if run.id not in self._broken]

    def unreadable_runs(self, limit: int | None = None, before: str | None = None) -> Mapping[str, str]:
        return {run.id: "it is damaged" for run in self._page(limit, before) if run.id in self._broken}

    def readable(self) -> list[Run]:
        return [run for run in self._all if run.id not in self._broken]


def run_of(number: int) -> Run:
    phase = RunPhase.RUNNING if number % 5 == 0 else RunPhase.CREATED
    plan = Plan(name=f"Arm {number % 3}")
    return Run(
        id=f"run-{number:012x}",
        plan=plan,
        phase=phase,
        correlation_id="0" * 16,
        created_at=NOW,
        owner="Ada" if number % 2 else None,
    )


RUNS = [run_of(number) for number in range(COUNT)]


def walked(ledger: Ledger, wanted: RunFilter, limit: int) -> tuple[list[str], list[str], int]:
    """The ids of all pages, those of all unreadable runs, and the number of pages."""
    views: RunViews = ledger  # type: ignore[assignment]
    found: list[str] = []
    unreadable: list[str] = []
    before = None
    for pages in range(1, 100):
        page = list_runs(views, wanted, limit, before)
        assert len(page.runs) <= limit
        found += [run.id for run in page.runs]
        unreadable += page.unreadable
        if page.next is None:
            return found, unreadable, pages
        assert page.next != before, "each page goes on"
        before = page.next
    raise AssertionError("there is no end")


FILTERS = [
    RunFilter(),
    RunFilter(text="aRM 1"),
    RunFilter(text=RUNS[4].id),
    RunFilter(phase=RunPhase.RUNNING),
    RunFilter(owner="ada"),
    RunFilter(text="arm 0", phase=RunPhase.CREATED, owner="a"),
    RunFilter(text="nothing like it"),
]


@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("limit", [1, 2, 7, 50])
@pytest.mark.parametrize("unreadable", [0, 7, 1])
def test_the_pages_have_each_run_that_fits_once(
    wanted: RunFilter, limit: int, unreadable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_listing, "LOOKED_AT", 9)
    monkeypatch.setattr(run_listing, "AT_ONCE", 4)
    ledger = Ledger(RUNS, unreadable)
    expected = [run.id for run in ledger.readable() if wanted.fits(run)]
    found, broken, _ = walked(ledger, wanted, limit)
    assert found == expected
    assert {*broken} == (set() if wanted.is_set else {run.id for run in RUNS} - {run.id for run in ledger.readable()})


def test_a_page_looks_at_a_bounded_number_of_runs() -> None:
    ledger = Ledger([run_of(number) for number in range(2500)], unreadable=0)
    views: RunViews = ledger  # type: ignore[assignment]
    page = list_runs(views, RunFilter(text="nothing like it"), 50, None)
    assert (page.runs, page.looked_at) == ([], run_listing.LOOKED_AT)
    assert page.next == f"run-{run_listing.LOOKED_AT - 1:012x}"
    assert max(ledger.asked) < run_listing.LOOKED_AT, "they are not all in memory at once"


def test_a_full_page_ends_the_look() -> None:
    ledger = Ledger([run_of(number) for number in range(1000)], unreadable=0)
    views: RunViews = ledger  # type: ignore[assignment]
    page = list_runs(views, RunFilter(text="arm"), 50, None)
    assert (len(page.runs), page.next) == (50, f"run-{49:012x}")
    assert len(ledger.asked) == 1
