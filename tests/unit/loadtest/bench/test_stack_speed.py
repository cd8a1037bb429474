"""`fedface bench simulate` refuses an unwritable report before it measures anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from loadtest.bench.stack_speed import stack_speed


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="there is no directory"):
        stack_speed(json_file=tmp_path / "nowhere" / "simulate.json")
