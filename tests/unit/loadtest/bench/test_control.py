"""`fedface bench control` refuses what it cannot measure or report before it measures anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from loadtest.bench.control import control
from loadtest.bench.control_growth import ControlReport
from loadtest.bench.control_rounds import LoadFigures
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
        ({"json_file": Path("nowhere/report.json")}, "there is no directory"),
    ],
)
def test_a_report_that_can_not_be_written_is_refused_at_once(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        control(**options)  # type: ignore[arg-type]


def test_the_growth_over_the_sizes_is_reported_and_plotted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def measure_rounds(clients: int, _artifacts: str, _limit_seconds: float) -> LoadFigures:
        return load_figures(clients, 0.1 * clients)

    monkeypatch.setattr("loadtest.bench.control_rounds.measure_rounds", measure_rounds)
    json_file = tmp_path / "growth.json"
    plot_file = tmp_path / "growth.png"
    control(growth="6,3", json_file=json_file, plot_file=plot_file)
    report = ControlReport.model_validate_json(json_file.read_text())
    assert [load.clients for load in report.loads] == [3, 6]
    assert report.growth is not None
    assert report.growth.exponent == pytest.approx(1.0)
    assert plot_file.read_bytes().startswith(b"\x89PNG")
