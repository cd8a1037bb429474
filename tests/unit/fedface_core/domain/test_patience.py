"""The patience that an environment asks for."""

from __future__ import annotations

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.patience import PATIENCE_SECONDS, patience_seconds
from fedface_core.runtime.settings import WorkerSettings


def test_the_default_is_that_of_the_workers() -> None:
    assert patience_seconds({}) == patience_seconds({"FEDFACE_PATIENCE_SECONDS": " "}) == PATIENCE_SECONDS
    assert WorkerSettings.model_fields["patience_seconds"].default == PATIENCE_SECONDS


def test_the_environment_sets_it() -> None:
    assert patience_seconds({"FEDFACE_PATIENCE_SECONDS": "2.5"}) == 2.5


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "1e9", "two minutes"])
def test_what_is_no_patience_is_refused(given: str) -> None:
    with pytest.raises(InvalidInputError, match=f"FEDFACE_PATIENCE_SECONDS is '{given}'; it must be a number of seconds"):
        patience_seconds({"FEDFACE_PATIENCE_SECONDS": given})
