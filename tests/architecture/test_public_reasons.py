"""What a worker says of an error is decided in one place, and each error about data has a public reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from architecture.packages import ROOT

DATA = ROOT / "shared/fedface_learning/data"
# They are for a user's own command: no service aligns photographs.
OF_COMMANDS = {"alignment.py"}
WORKERS = [ROOT / "shared/fedface_worker", *(ROOT / "services" / name for name in ("client", "aggregator", "evaluator"))]
# What leaves a worker: a client's failure, a failed step, a counted failure, an event of the audit trail.
EXITS = {"fail", "ClientFailure", "StepFailed", "record_failure", "record_event", "count_failure", "StepFailing", "Waiting"}


def raised(code: str) -> set[str]:
    """The names of the errors that a module raises."""
    found = [node.exc for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Raise) and node.exc is not None]
    return {ast.unparse(error.func if isinstance(error, ast.Call) else error) for error in found}


def told(code: str) -> list[str]:
    """The places of a module where an error is made text on its way out."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    exits = [call for call in calls if ast.unparse(call.func).split(".")[-1] in EXITS]
    return [f"{call.lineno}: {ast.unparse(node)}" for call in exits for node in ast.walk(call) if _is_text_of_an_error(node)]


def _is_text_of_an_error(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id="error")]):
            return True
        case ast.FormattedValue(value=ast.Name(id="error")) | ast.Call(func=ast.Name(id="reason_of")):
            return True
    return False


def of_packages(folders: list[Path]) -> list[Path]:
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    assert len(files) > 20
    return files


@pytest.mark.parametrize("path", sorted(DATA.rglob("*.py")), ids=lambda path: path.name)
def test_data_sets_raise_no_error_of_input_without_a_public_reason(path: Path) -> None:
    assert path.name in OF_COMMANDS or "InvalidInputError" not in raised(path.read_text(encoding="utf-8"))


def test_workers_make_no_text_of_an_error_but_in_one_place() -> None:
    texts = {str(path.relative_to(ROOT)): told(path.read_text(encoding="utf-8")) for path in of_packages(WORKERS)}
    assert {path: found for path, found in texts.items() if found} == {}


def test_a_failed_step_is_told_in_one_module() -> None:
    makers = {
        path.name
        for path in of_packages(WORKERS)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "StepFailed"
    }
    assert makers == {"failing_steps.py"}


def test_the_search_finds_what_it_is_for() -> None:
    assert raised("raise InvalidInputError('x') from None") == {"InvalidInputError"}
    assert told("log.warning('x', reason=str(error))") == []
    for text in ("str(error)", "f'its data: {error}'", "reason_of(error)"):
        assert len(told(f"fail(ports, invitation, {text})")) == 1
