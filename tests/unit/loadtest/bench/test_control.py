"""`fedface bench control` refuses what it cannot measure or report before it measures anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from loadtest.bench.control import control
from loadtest.bench.control_growth import ControlReport
from loadtest.bench.control_rounds import LoadFigures
from support.command_line import Invoke
from support.load_figures import load_figures


@pytest.mark.parametrize("growth", ["", "100,", "100,100", "0,5", "-5,3", "a,b"])
def test_numbers_of_clients_that_make_no_growth_are_refused(growth: str) -> None:
    with pytest.raises(InvalidInputError, match="give different numbers of clients"):
        control(growth=growth)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"plot_file": Path("x.png")}, "give --growth with two or more"),
        ({"plot_file": Path("x.gif"), "growth": "1,2"}, "ends in .png or .pdf"),
        ({"plot_file": Path("nowhere/plot.png"), "growth": "1,2"}, "there is no directory"),
    ],
)
def test_a_report_that_can_not_be_written_is_refused_at_once(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        control(**options)


def test_the_growth_over_the_sizes_is_reported_and_plotted(
    fedface: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def measure_rounds(clients: int, _artifacts: str, _limit_seconds: float, delivery: str, at_once: int) -> LoadFigures:
        return load_figures(clients, 0.1 * clients).model_copy(update={"delivery": delivery, "at_once": at_once})

    monkeypatch.setattr("loadtest.bench.control_rounds.measure_rounds", measure_rounds)
    plot_file = tmp_path / "growth.png"
    what = ("--growth", "6,3", "--delivery", "combined", "--at-once", "2")
    status, out, err = fedface("bench", "control", *what, "--plot", str(plot_file), "--json")
    assert (status, "updates/s" in err) == (0, True)
    report = ControlReport.model_validate_json(out)
    assert [(load.clients, load.delivery, load.at_once) for load in report.loads] == [(3, "combined", 2), (6, "combined", 2)]
    assert report.growth is not None
    assert report.growth.exponent == pytest.approx(1.0)
    assert plot_file.read_bytes().startswith(b"\x89PNG")
