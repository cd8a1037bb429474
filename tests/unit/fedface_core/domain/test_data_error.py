"""An error about a data set has a message for its machine, and a public sentence of fixed words and numbers."""

from __future__ import annotations

import re

import pytest

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.reasons import LONGEST_REASON

PLACES = re.compile(r"{(\w+)}")


@pytest.mark.parametrize("reason", DataReason)
def test_each_reason_has_a_sentence_that_fits_and_names_its_code(reason: DataReason) -> None:
    numbers = dict.fromkeys(PLACES.findall(reason.sentence), 50_000_000)
    error = DataError("/photographs/Ann Example/2.png", reason, **numbers)
    assert str(error) == "/photographs/Ann Example/2.png"
    assert error.public.endswith(f" (code {reason})")
    assert len(error.public) <= LONGEST_REASON
    assert "Ann" not in error.public
    assert "/" not in error.public.replace("50000000", "")


def test_the_codes_are_different() -> None:
    assert len({reason.sentence for reason in DataReason}) == len(DataReason)


def test_without_a_message_the_sentence_says_everything() -> None:
    error = DataError(reason=DataReason.CHANGED, added=1, removed=None)
    assert str(error).startswith("the data set has changed since the run was prepared: +1 −? people; ")
    assert error.public == f"{error} (code data-set-changed)"


def test_only_numbers_can_be_added_to_a_sentence() -> None:
    with pytest.raises(ValueError, match="Unknown format code 'd'"):
        DataError("x", DataReason.NO_SUCH_IDENTITY, identities="Ann Example")  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        DataError("x", DataReason.NO_SUCH_IDENTITY)


def test_an_error_may_be_told_where_it_comes_from() -> None:
    error = DataError("2 people", DataReason.CHANGED, added=1, removed=0).about("data.folder")
    assert (str(error), error.reason) == ("data.folder: 2 people", DataReason.CHANGED)
    assert "+1 −0 people" in error.public
