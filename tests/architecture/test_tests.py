"""Where a test lies says what it tests: `tests/unit` mirrors the source."""

from __future__ import annotations

import re
from pathlib import Path

from architecture.packages import ROOT, SOURCE_ROOTS

UNIT = ROOT / "tests/unit"


def mirrored(test: Path) -> Path:
    """The module that a unit test is for, below the folder that its package is imported from."""
    name = test.name.removeprefix("test_")
    return test.relative_to(UNIT).with_name("__init__.py" if name == "init.py" else name)


def test_every_unit_test_is_for_the_module_of_its_name() -> None:
    tests = sorted(UNIT.rglob("test_*.py"))
    assert len(tests) > 100
    homeless = [test for test in tests if not any((root / mirrored(test)).is_file() for root in SOURCE_ROOTS)]
    assert [str(test.relative_to(ROOT)) for test in homeless] == []


def test_no_test_is_left_beside_the_folders_of_the_suites() -> None:
    suites = {
        *("architecture", "compose", "contract", "e2e", "gpu", "integration", "model", "numerics", "scenarios", "security"),
        "unit",
    }
    assert {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")} == suites


def test_a_test_that_the_machine_lacks_something_for_can_be_required() -> None:
    """A skip of its own would not be seen where `FEDFACE_REQUIRE` is to make a skip a failure. A GPU is nowhere required."""
    may_skip = {ROOT / "tests/support/required_parts.py", Path(__file__), *(ROOT / "tests/gpu").rglob("*.py")}
    own = re.compile(r"pytest\.skip\(|skipif\(.*(which|geteuid)|importorskip")
    found = {path: own.findall(path.read_text()) for path in sorted({*(ROOT / "tests").rglob("*.py")} - may_skip)}
    assert [str(path.relative_to(ROOT)) for path, skips in found.items() if skips] == []
