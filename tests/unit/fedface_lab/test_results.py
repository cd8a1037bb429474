"""The table, the plot and the figures of a run's comparison."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image
from rich.console import RenderableType

from fedface_cli.api_client import ControlApi
from fedface_core.domain.errors import NotFoundError
from fedface_lab.results import RunComparison, comparison_table, figures, plot_roc, scores_table
from support.api_by_hand import ByHand, scores_of
from support.command_line import terminal


def drawn(what: RenderableType) -> str:
    console = terminal(120)
    console.print(what)
    return console.export_text()


@pytest.fixture
def comparison(api: ByHand) -> RunComparison:
    with ControlApi(api.url) as client:
        return RunComparison.of(client, api.completed())


def test_the_comparison_is_of_the_first_and_the_last_round(comparison: RunComparison) -> None:
    assert (comparison.before.round, comparison.after.round) == (0, 2)


def test_a_run_without_a_scored_round_has_no_comparison(api: ByHand) -> None:
    run_id = api.started()
    with ControlApi(api.url) as client, pytest.raises(NotFoundError, match=f"no round of {run_id}"):
        RunComparison.of(client, run_id)


def test_the_table_has_both_values_and_the_change(comparison: RunComparison) -> None:
    rows = [" ".join(line.split()) for line in drawn(comparison_table(comparison)).splitlines()]
    assert "TAR at FAR 1e-1 80.00 % 82.00 % +2.00 pp" in rows
    assert "TAR at FAR 1e-4 – – –" in rows
    assert "AUC 0.9000 0.9200 +0.0200" in rows
    assert "EER 10.00 % 8.00 % -2.00 pp" in rows
    assert "mean impostor cosine +0.100 +0.098 -0.0020" in rows


def test_a_change_for_the_better_is_green_and_for_the_worse_red(comparison: RunComparison) -> None:
    def colours(of: RunComparison) -> dict[str, str]:
        table = comparison_table(of)
        names = table.columns[0].cells
        changes = table.columns[3].cells
        return {str(name): str(change.style) for name, change in zip(names, changes, strict=True)}  # type: ignore[union-attr]

    better = colours(comparison)
    assert (better["AUC"], better["EER"], better["mean impostor cosine"]) == ("green", "green", "green")
    assert better["TAR at FAR 1e-2"] == ""
    worse = colours(RunComparison(before=comparison.after, after=comparison.before))
    assert (worse["AUC"], worse["EER"], worse["mean impostor cosine"]) == ("red", "red", "red")


def test_one_models_table(comparison: RunComparison) -> None:
    assert "8.00 %" in drawn(scores_table(comparison.after.scores))


def test_the_figures_have_the_promised_keys() -> None:
    assert list(figures(scores_of(1))) == [
        "tar@1e-1",
        "tar@1e-2",
        "tar@1e-3",
        "tar@1e-4",
        "auc",
        "eer",
        "mean_genuine_cosine",
        "mean_impostor_cosine",
    ]
    assert math.isclose(figures(scores_of(1))["tar@1e-1"] or 0.0, 0.81)


def test_the_plot_is_a_picture_of_two_curves(comparison: RunComparison, tmp_path: Path) -> None:
    plot_roc(comparison, tmp_path / "new" / "roc.png")
    with Image.open(tmp_path / "new" / "roc.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
    assert (0x0B, 0x6B, 0xCB) in colours  # after
    assert (0x8A, 0x8F, 0x98) in colours  # before
