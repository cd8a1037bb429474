"""The data of an event: of the run, and of the round that it is about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fedface_core.adapters.audit_trail import check_event_id, event_data
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(id="run-0123456789ab", plan=Plan(), correlation_id="c", created_at=NOW)
FIRST = open_round(RUN.plan, RUN.id, 1, (client_id(0),), "a" * 64, NOW)
SECOND = open_round(RUN.plan, RUN.id, 2, (client_id(0),), "a" * 64, NOW)


def test_an_event_names_the_phase_and_the_failure_of_its_run() -> None:
    failed = RUN.started(NOW).failed(NOW, "no disk")
    assert event_data(failed) == {"phase": "failed", "failure": "no disk"}


def test_an_event_is_about_the_opened_round_rather_than_the_changed_one() -> None:
    closed = FIRST.closed(NOW)
    assert event_data(RUN, changed=closed) == {"phase": "created", "round": 1, "round_phase": "aggregating"}
    assert event_data(RUN, opened=SECOND, changed=closed) == {"phase": "created", "round": 2, "round_phase": "open"}


def test_only_the_first_event_of_a_clone_names_the_original_run() -> None:
    clone = RUN.model_copy(update={"cloned_from": "run-00000000cafe"})
    assert event_data(clone) == {"phase": "created", "cloned_from": "run-00000000cafe"}
    assert event_data(clone.next_version()) == {"phase": "created"}


def test_details_are_added() -> None:
    assert event_data(RUN, detail={"because": "operator"}) == {"phase": "created", "because": "operator"}


def test_an_event_id_is_two_numbers() -> None:
    check_event_id("1700000000000-0")
    for wrong in ("", "1", "1-", "a-0", "1-0 ", "1-0-0"):
        with pytest.raises(InvalidInputError, match="is not an event id"):
            check_event_id(wrong)
