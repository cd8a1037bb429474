"""`fedface bench training` writes its report and its plot."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_cli.main import main
from loadtest.bench import training_speeds
from loadtest.bench.training_speeds import TrainingReport
from support.small_networks import TINY


@pytest.mark.slow
def test_the_command_writes_its_report_and_its_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The command trains fewer clients of what is named mobilefacenet.
    monkeypatch.setattr(training_speeds, "NETWORKS", {"tiny": TINY, "mobilefacenet": TINY})
    monkeypatch.setattr(training_speeds, "GROWING_NETWORKS", {"tiny": TINY, "larger": TINY | {"widths": (8, 16, 16, 16)}})
    plot = tmp_path / "growth.png"
    report = tmp_path / "training.json"
    main_arguments = [
        "bench",
        "training",
        "--clients",
        "8",
        "--repetitions",
        "1",
        "--growth",
        str(plot),
        "--json",
        str(report),
    ]
    with pytest.raises(SystemExit) as done:
        main(main_arguments)
    assert done.value.code == 0
    read = TrainingReport.model_validate_json(report.read_text())
    assert [speeds.model for speeds in read.sizes] == ["tiny", "mobilefacenet"]
    assert read.exponent_of_parameters is not None
    assert plot.read_bytes().startswith(b"\x89PNG")
