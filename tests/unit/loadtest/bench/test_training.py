"""`fedface bench training` prints its report and writes its plot."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.bench import training_speeds
from loadtest.bench.training_speeds import TrainingReport
from support.command_line import Invoke
from support.small_networks import TINY


@pytest.mark.slow
def test_the_command_prints_its_report_and_writes_its_plot(
    fedface: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The command trains fewer clients of what is named mobilefacenet.
    monkeypatch.setattr(training_speeds, "NETWORKS", {"tiny": TINY, "mobilefacenet": TINY})
    monkeypatch.setattr(training_speeds, "GROWING_NETWORKS", {"tiny": TINY, "larger": TINY | {"widths": (8, 16, 16, 16)}})
    plot = tmp_path / "growth.png"
    options = ("--clients", "8", "--repetitions", "1", "--growth", str(plot), "--json")
    status, out, err = fedface("bench", "training", *options)
    assert (status, "a client's time grows with parameters" in err) == (0, True)
    read = TrainingReport.model_validate_json(out)
    assert [speeds.model for speeds in read.sizes] == ["tiny", "mobilefacenet"]
    assert read.exponent_of_parameters is not None
    assert plot.read_bytes().startswith(b"\x89PNG")
