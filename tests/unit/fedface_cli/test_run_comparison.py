"""Runs side by side: what differs in their plans, and what came of them."""

from __future__ import annotations

import json

import pytest

from fedface_cli.run_comparison import comparison, comparison_table
from fedface_core.domain.plan import Plan
from support.api_answers import a_run
from support.api_by_hand import MODEL_SHA256, ByHand, scores_of
from support.command_line import Invoke, terminal

FIRST = a_run(id="run-00000000000a", phase="running", scores=scores_of(1), model_sha256="a" * 64, finished_rounds=5)
SECOND = a_run(id="run-00000000000b", phase="created", plan=Plan(rounds=9))


def test_each_row_has_a_value_of_each_run() -> None:
    found = comparison([FIRST, SECOND])
    assert found["runs"] == [FIRST.id, SECOND.id]
    assert found["plan"] == {"rounds": [8, 9]}
    assert found["metrics"]["AUC"] == [scores_of(1).auc, None]
    assert found["metrics"]["TAR@1e-4"] == [None, None]
    assert found["metrics"]["model"] == ["a" * 64, None]


def test_a_digest_is_short_on_a_terminal() -> None:
    console = terminal(columns=100)
    console.print(comparison_table([FIRST, SECOND], console))
    shown = console.export_text()
    assert f"{'a' * 12} " in shown
    assert "a" * 13 not in shown
    assert "81.00 %" in shown
    assert "+0.700" in shown


def test_a_digest_is_whole_where_it_is_piped_and_nothing_is_cut(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS")
    runs = [api.completed(), api.completed()]
    code, out, _ = fedface("run", "compare", *runs)
    assert code == 0
    assert out.splitlines()[0].split() == runs
    assert out.splitlines()[-1].split() == ["model", MODEL_SHA256, MODEL_SHA256]
    assert json.loads(fedface("run", "compare", *runs, "--json")[1])["metrics"]["phase"] == ["completed", "completed"]


def test_one_run_is_too_few_and_many_are_too_many(fedface: Invoke) -> None:
    for runs in ([FIRST.id], [FIRST.id] * 21):
        code, _, err = fedface("run", "compare", *runs)
        assert (code, "name 2 to 20" in err) == (2, True)
    code, _, err = fedface("run", "compare", FIRST.id, "../models")
    assert (code, "'../models' is no id of a run" in err) == (2, True)
