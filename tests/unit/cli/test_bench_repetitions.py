from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fedface_core.domain.errors import InvalidInputError
from loadtest.bench.machine import this_machine
from loadtest.bench.repetitions import Repeated, by_turns, ratios
from loadtest.bench.report import Column, Report, check_writable, show, write


def test_measures_take_turns_and_keep_the_order_of_their_repetitions() -> None:
    order: list[str] = []
    counter = iter(range(1, 7))

    def measure(name: str) -> float:
        order.append(name)
        return float(next(counter))

    figures = by_turns({"ours": lambda: measure("ours"), "loop": lambda: measure("loop")}, 3)
    assert order == ["ours", "loop"] * 3
    assert figures["ours"].values == (1.0, 3.0, 5.0)
    assert figures["loop"].values == (2.0, 4.0, 6.0)


def test_a_ratio_is_taken_within_its_repetition() -> None:
    ratio = ratios([2.0, 20.0, 3.0], [1.0, 10.0, 1.0])
    assert ratio.values == (2.0, 2.0, 3.0)
    assert ratio.median == 2.0
    assert ratio.spread == (2.0, 3.0)
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


def test_median_and_spread_are_written_with_three_digits() -> None:
    assert str(Repeated(values=(1.23456, 3.0, 2.0))) == "2 [1.23, 3]"


def test_the_machine_is_described(tmp_path: Path) -> None:
    machine = this_machine()
    assert machine.cores >= 1
    total_kib = next(
        line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")
    )
    assert machine.memory_gib == round(int(total_kib) / 2**20, 1)
    assert machine.cpu
    assert "torch 2" in str(machine)
    write(tmp_path / "report.json", Report(machine=machine))
    assert Report.model_validate_json((tmp_path / "report.json").read_text()).machine == machine


def test_a_table_has_its_whole_title() -> None:
    printed = StringIO()
    console = Console(file=printed, width=200)
    columns = [Column(head="way", cells=("ours",)), Column(head="s", cells=("2 [1, 3]",))]
    show(console, "seconds; median [smallest, largest]", columns, this_machine())
    assert "seconds; median [smallest, largest]" in " ".join(printed.getvalue().split())
    assert "2 [1, 3]" in printed.getvalue()


def test_a_missing_directory_is_found_before_the_measurement(tmp_path: Path) -> None:
    check_writable(None)
    check_writable(tmp_path / "report.json")
    with pytest.raises(InvalidInputError, match="no directory"):
        check_writable(tmp_path / "missing" / "report.json")
