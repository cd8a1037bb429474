"""`fedface bench control` refuses what it cannot measure or report before it measures anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from loadtest.bench.control import control


@pytest.mark.parametrize("growth", ["", "100,", "100,100", "0,5", "-5,3", "a,b"])
def test_numbers_of_clients_that_make_no_growth_are_refused(growth: str) -> None:
    with pytest.raises(InvalidInputError, match="give different numbers of clients"):
        control(growth=growth)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"plot_file": Path("x.png")}, "give --growth with two or more"),
        ({"plot_file": Path("x.gif"), "growth": "1,2"}, "ends in .png or .pdf"),
        ({"json_file": Path("nowhere/report.json")}, "there is no directory"),
    ],
)
def test_a_report_that_can_not_be_written_is_refused_at_once(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        control(**options)  # type: ignore[arg-type]
