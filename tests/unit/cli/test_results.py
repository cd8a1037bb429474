"""The table, the plot, the figures and the live display."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console, RenderableType

from fedface_cli.api_client import ControlApi
from fedface_cli.run_display import RunDisplay
from fedface_cli.watching import watch
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.run import RunPhase
from fedface_lab.results import RunComparison, comparison_table, figures, plot_roc, scores_table
from support.api_by_hand import ByHand, scores_of


def drawn(what: RenderableType) -> str:
    console = Console(width=120, record=True, force_terminal=True, file=io.StringIO())
    console.print(what)
    return console.export_text()


@pytest.fixture
def outcome(api: ByHand) -> RunComparison:
    with ControlApi(api.url) as client:
        return RunComparison.of(client, api.completed())


def test_the_outcome_is_of_the_first_and_the_last_round(outcome: RunComparison) -> None:
    assert (outcome.before.round, outcome.after.round) == (0, 2)


def test_a_run_without_a_scored_round_has_no_outcome(api: ByHand) -> None:
    run_id = api.started()
    with ControlApi(api.url) as client, pytest.raises(NotFoundError, match=f"no round of {run_id}"):
        RunComparison.of(client, run_id)


def test_the_table_has_both_values_and_the_change(outcome: RunComparison) -> None:
    rows = [" ".join(line.split()) for line in drawn(comparison_table(outcome)).splitlines()]
    assert "TAR at FAR 1e-1 80.00 % 82.00 % +2.00 pp" in rows
    assert "TAR at FAR 1e-4 – – –" in rows
    assert "AUC 0.9000 0.9200 +0.0200" in rows
    assert "EER 10.00 % 8.00 % -2.00 pp" in rows
    assert "mean impostor cosine +0.100 +0.098 -0.0020" in rows


def test_a_change_for_the_better_is_green_and_for_the_worse_red(outcome: RunComparison) -> None:
    def colours(of: RunComparison) -> dict[str, str]:
        table = comparison_table(of)
        names, changes = table.columns[0].cells, table.columns[3].cells
        return {str(name): str(change.style) for name, change in zip(names, changes, strict=True)}  # type: ignore[union-attr]

    better = colours(outcome)
    assert (better["AUC"], better["EER"], better["mean impostor cosine"]) == ("green", "green", "green")
    assert better["TAR at FAR 1e-2"] == ""
    worse = colours(RunComparison(before=outcome.after, after=outcome.before))
    assert (worse["AUC"], worse["EER"], worse["mean impostor cosine"]) == ("red", "red", "red")


def test_one_models_table(outcome: RunComparison) -> None:
    assert "8.00 %" in drawn(scores_table(outcome.after.scores))


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


def test_the_plot_is_a_picture_of_two_curves(outcome: RunComparison, tmp_path: Path) -> None:
    plot_roc(outcome, tmp_path / "new" / "roc.png")
    with Image.open(tmp_path / "new" / "roc.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
    assert (0x0B, 0x6B, 0xCB) in colours  # after
    assert (0x8A, 0x8F, 0x98) in colours  # before


def test_the_live_display_ends_with_the_whole_story(api: ByHand) -> None:
    run_id = api.completed()
    console = Console(width=120, record=True, force_terminal=True)
    with ControlApi(api.url) as client:
        run = watch(client, run_id, console)
    assert run is not None
    assert run.phase is RunPhase.COMPLETED
    shown = console.export_text()
    for expected in (run_id, "completed", "2 of 2 finished", "3 of 3", "80.00 %", "82.00 %", "+0.098"):
        assert expected in shown


@pytest.mark.parametrize(("finished", "where", "doing"), [(0, "enrolment", "enrolling"), (1, "round 1, 0 of 2", "training")])
def test_the_display_says_what_a_run_is_doing(api: ByHand, finished: int, where: str, doing: str) -> None:
    run_id = api.started()
    for number in range(finished):
        api.finish_round(run_id, number)
    with ControlApi(api.url) as client:
        display = RunDisplay(client.run(run_id), client.rounds(run_id).rounds)
    shown = drawn(display)
    for expected in (where, "0 of 3", doing, "running"):
        assert expected in shown
