"""`fedface bench aggregate` refuses what it cannot measure before it measures anything."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from fedface_cli.main import app
from fedface_core.domain.errors import InvalidInputError


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sizes", "tiny"], "--sizes 'tiny': give some of small, medium, large, each once"),
        (["--sizes", "small,small"], "each once"),
        (["--plot", "memory.txt"], "ends in .png or .pdf"),
        (["--plot", "/no/such/directory/memory.png"], "there is no directory /no/such/directory"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_measured(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["bench", "aggregate", *arguments])
    assert isinstance(result.exception, InvalidInputError)
    assert says in str(result.exception)
