"""Where a test lies says what it tests: `tests/unit` mirrors the source."""

from __future__ import annotations

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
