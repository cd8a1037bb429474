"""The files that give each server its rights, from a folder's environment."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fedface_core.access.__main__ import main


def test_prometheus_gets_its_key_as_a_file_for_its_owner(tmp_path: Path) -> None:
    assert main(["prometheus", str(tmp_path)], {"API_METRICS_KEY": "a key of its own"}) == 0
    made = tmp_path / "metrics.key"
    assert made.read_text() == "a key of its own"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_a_key_from_a_file_is_as_good(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("a key of its own\n")
    assert main(["prometheus", str(tmp_path)], {"API_METRICS_KEY_FILE": str(tmp_path / "given")}) == 0
    assert (tmp_path / "metrics.key").read_text() == "a key of its own"


@pytest.mark.parametrize(
    ("what", "complaint"), [("prometheus", "API_METRICS_KEY is not set"), ("grafana", "is none of redis")]
)
def test_what_is_missing_or_unknown_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, complaint: str
) -> None:
    assert main([what, str(tmp_path)], {}) == 64
    assert complaint in capsys.readouterr().err
