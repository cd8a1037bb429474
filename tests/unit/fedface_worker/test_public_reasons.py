"""What a worker says of an error: public reasons, its own messages, and of anything else the class alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
import structlog

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.errors import DamagedObjectError, InvalidInputError, LostResidualError
from fedface_core.domain.reasons import LONGEST_REASON
from fedface_worker.public_reasons import public_reason

NAME = "Ann Example"


def told_and_logged(error: Exception, *limit: int) -> tuple[str, list[Any]]:
    with structlog.testing.capture_logs() as records:
        return public_reason(error, *limit), records


def test_of_an_error_about_data_the_message_stays_in_the_log() -> None:
    reason, (record,) = told_and_logged(DataError(f"/p/{NAME}/2.png is damaged", DataReason.PHOTOGRAPH_UNUSABLE))
    assert reason.startswith("a photograph cannot be used; ")
    assert reason.endswith("(code photograph-unusable)")
    assert (record["event"], record["code"], record["log_level"]) == ("data_unusable", "photograph-unusable", "warning")
    assert record["detail"] == f"/p/{NAME}/2.png is damaged"


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file", f"/p/{NAME}"), KeyError(NAME), RuntimeError()])
def test_of_an_unexpected_error_only_its_class_is_told_and_a_code_finds_the_rest(error: Exception) -> None:
    reason, (record,) = told_and_logged(error)
    found = re.fullmatch(rf"{type(error).__name__} \(code ([0-9a-f]{{8}})\)", reason)
    assert found is not None
    assert (record["event"], record["code"], record["log_level"]) == ("unexpected_error", found[1], "error")
    assert (NAME in record["detail"]) == (NAME in str(error))
    assert told_and_logged(error)[0] != reason, "each record is found by a code of its own"


@pytest.mark.parametrize("kind", [DamagedObjectError, LostResidualError, InvalidInputError])
def test_our_own_errors_are_told_in_one_line_without_secrets_and_values(kind: type[Exception]) -> None:
    error = kind("the object models/ab of redis://:pw@host\nhas 0.5, 0.25, 0.125")
    assert told_and_logged(error) == ("the object models/ab of redis://***@host has …", [])


def test_a_long_message_is_in_the_log_as_a_whole() -> None:
    message = "tensor " * 100
    reason, (record,) = told_and_logged(InvalidInputError(message))
    assert len(reason) == LONGEST_REASON
    assert record == {"event": "reason_shortened", "log_level": "warning", "detail": message.strip()}
    assert told_and_logged(InvalidInputError(message), 1000) == (message.strip(), [])
