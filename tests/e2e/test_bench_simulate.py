"""`fedface bench simulate` on real services: few clients, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedface_cli.main import app

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("artifacts", ["directory", "s3"])
def test_it_measures_the_system_beside_the_loop(tmp_path: Path, artifacts: str) -> None:
    file = tmp_path / "simulate.json"
    options = ["--clients", "4", "--repetitions", "1", "--processes", "1", "--artifacts", artifacts, "--json", str(file)]
    done = CliRunner().invoke(app, ["bench", "simulate", *options])
    assert done.exit_code == 0, done.output
    report = json.loads(file.read_text())
    assert (report["clients"], report["processes"], report["artifacts"]) == (4, 1, artifacts)
    (loop,), (system,) = report["loop_seconds"]["values"], report["system_seconds"]["values"]
    assert 0 < loop < system
    assert report["share_of_the_loop"]["values"] == [loop / system]
    assert report["step_ms"].keys() == {"fetch", "embed", "train", "put", "record"}
    assert all(milliseconds > 0 for milliseconds in report["step_ms"].values())
    assert "of the loop's" in done.output


def test_a_report_that_could_not_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "simulate", "--json", str(tmp_path / "nowhere" / "simulate.json")])
    assert "there is no directory" in str(done.exception)
