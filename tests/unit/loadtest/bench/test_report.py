"""A report is printed as JSON and as a table, and unusable files are found before the measurement."""

from __future__ import annotations

import math
from io import StringIO
from pathlib import Path

import pytest

from fedface_cli.plain_console import PlainConsole
from fedface_cli.terminal import json_output
from fedface_core.domain.errors import InvalidInputError
from loadtest.bench.machine import this_machine
from loadtest.bench.report import BenchmarkReport, Column, check_plot_file, check_writable, print_report, show_table


class Rate(BenchmarkReport):
    rate: float | None


@pytest.mark.parametrize("rate", [0.1, math.nan])
def test_a_report_is_read_back_as_it_was_printed(capsys: pytest.CaptureFixture[str], rate: float) -> None:
    report = Rate(machine=this_machine(), rate=rate)
    print_report(report)
    assert capsys.readouterr().out == ""
    with json_output(wanted=True):
        print_report(report)
    read = Rate.model_validate_json(capsys.readouterr().out)
    assert (read.machine, read.rate) == (report.machine, None if math.isnan(rate) else rate)


def test_a_table_has_its_whole_title() -> None:
    printed = StringIO()
    console = PlainConsole(file=printed, width=200)
    columns = [Column(head="way", cells=("ours",)), Column(head="s", cells=("2 [1, 3]",))]
    show_table(console, "seconds; median [smallest, largest]", columns, this_machine())
    assert "seconds; median [smallest, largest]" in " ".join(printed.getvalue().split())
    assert "2 [1, 3]" in printed.getvalue()


def test_what_cannot_be_written_is_found_before_the_measurement(tmp_path: Path) -> None:
    check_writable(None)
    check_writable(tmp_path / "report.json")
    with pytest.raises(InvalidInputError, match="no directory"):
        check_writable(tmp_path / "missing" / "report.json")
    with pytest.raises(InvalidInputError, match="is a folder: give the name of a file"):
        check_writable(tmp_path)


def test_a_plot_is_a_png_or_a_pdf(tmp_path: Path) -> None:
    check_plot_file("--plot", None)
    check_plot_file("--plot", tmp_path / "plot.pdf")
    with pytest.raises(InvalidInputError, match=r"--plot .*plot\.gif: give a file that ends in \.png or \.pdf"):
        check_plot_file("--plot", tmp_path / "plot.gif")
