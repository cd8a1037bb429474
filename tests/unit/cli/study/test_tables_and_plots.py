"""What a study came to, as tables and plots, from its stored results alone."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from fedface_core.domain.results import RocCurve, Scores
from fedface_lab.study.grid import expand
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.plots.gain import plot_gain_against, plot_gain_per_round
from fedface_lab.study.plots.roc import plot_roc
from fedface_lab.study.study_file import read_study
from fedface_lab.study.study_results import Group, load_results
from support.command_line import Invoke
from support.finished_study import Finished


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as text:
        return list(csv.DictReader(text))


def test_results_have_a_line_for_each_round_of_each_job(finished: Finished) -> None:
    lines = lines_of(finished.folder / "results.csv")
    assert len(lines) == 12 * 4
    folder = ResultFolder(finished.folder)
    job = expand(read_study(finished.file), finished.file)[-1]
    result = folder.load(job)
    assert result is not None
    of_job = [
        line
        for line in lines
        if (line["arm"], line["split.clients"], line["seed"]) == ("long", "4", "5") and line["round"] != "1"
    ]
    scores = [each.scores for each in result.rounds if each.scores]
    assert [float(line["auc"]) for line in of_job] == [each.auc for each in scores]
    assert [float(line["tar@5e-1"]) for line in of_job] == [each.tar["5e-1"] for each in scores]
    assert {line["tar@1e-3"] for line in of_job} == {""}, "ten people's pairs do not resolve it"
    assert [line["model_sha256"] for line in of_job][-1] == result.rounds[-1].aggregation.model_sha256
    assert {line["auc"] for line in lines if line["round"] == "1"} == {""}, "not scored"


def test_the_summary_is_what_the_results_give(finished: Finished) -> None:
    rounds, summary = lines_of(finished.folder / "results.csv"), lines_of(finished.folder / "summary.csv")
    assert [(line["arm"], line["split.clients"]) for line in summary] == [
        (arm, clients) for arm in ("fedface", "no spreadout", "long") for clients in ("2", "4")
    ]

    def aucs(arm: str, clients: str, number: str) -> np.ndarray:
        wanted = (arm, clients, number)
        return np.array(
            [float(line["auc"]) for line in rounds if (line["arm"], line["split.clients"], line["round"]) == wanted]
        )

    for line in summary:
        of_update, of_round = float(line["bytes an update"]), float(line["bytes a round"])
        assert of_round == pytest.approx(of_update * int(line["split.clients"]))
        mine = [each for each in rounds if (each["arm"], each["split.clients"]) == (line["arm"], line["split.clients"])]
        trained = [int(each["uploaded_bytes"]) for each in mine if each["round"] != "0"]
        assert of_round == pytest.approx(np.mean(trained))
        before, after = (aucs(line["arm"], line["split.clients"], number) for number in ("0", "3"))
        upper = aucs("long", line["split.clients"], "3")
        assert line["seeds"] == line["auc seeds"] == "2"
        assert float(line["auc before"]) == pytest.approx(before.mean())
        assert float(line["auc gain"]) == pytest.approx((after - before).mean())
        assert float(line["auc gain error"]) == pytest.approx((after - before).std(ddof=1) / np.sqrt(2))
        half = float(line["auc gain high"]) - float(line["auc gain"])
        assert half == pytest.approx(12.7062047 * float(line["auc gain error"]))
        assert int(line["auc seeds better"]) == (after > before).sum()
        if line["arm"] != "long" and upper.mean() > before.mean():
            share = (after.mean() - before.mean()) / (upper.mean() - before.mean())
            assert float(line["auc recovered"]) == pytest.approx(share)
        else:
            assert line["auc recovered"] == ""


def test_the_markdown_has_a_table_for_each_metric(finished: Finished) -> None:
    text = (finished.folder / "summary.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# tiny",
        "## TAR@5e-1",
        "## TAR@1e-3",
        "## AUC",
        "## EER",
    ]
    assert text.count("| no spreadout | 4 |") == 4
    assert "| fedface | 2 | – | – | – | – | – | – |" in text, "TAR@1e-3 is not resolved"
    assert "upper being long" in text
    assert "| seeds | recovered | update | round |" in text
    assert text.count(" kB | ") == 4 * 6, "each line of each table says what an update and a round cost"


PLOTS = ["gain-per-round", "gain-against-split.clients"]
PLOTS += [f"{kind}-clients-{clients}" for kind in ("roc", "cosines") for clients in (2, 4)]
PLOTS += [f"identities-{arm}" for arm in ("fedface", "no-spreadout", "long")]


def test_every_plot_is_drawn_and_captioned(finished: Finished) -> None:
    assert {path.name for path in (finished.folder / "plots").iterdir()} == {
        f"{name}.{kind}" for name in PLOTS for kind in ("png", "pdf")
    }
    page = (finished.folder / "plots.md").read_text()
    for name in PLOTS:
        assert f"![{name}](plots/{name}.png)" in page
        with Image.open(finished.folder / "plots" / f"{name}.png") as image:
            pixels = np.asarray(image.convert("RGB"))
        assert pixels.shape[1] >= 600
        colourful = (pixels.max(axis=2).astype(int) - pixels.min(axis=2)) > 60
        assert colourful.sum() > 300, f"{name} shows something"
    assert "mean over 2 seeds" in page
    assert "t-SNE of 5 unseen people's embeddings, seed 3" in page


def test_tables_and_plots_are_made_again_from_results_alone(fedface: Invoke, finished: Finished, tmp_path: Path) -> None:
    for name in ("study.toml", "jobs"):
        source = finished.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    assert fedface("study", "report", str(tmp_path))[0] == 0
    assert fedface("study", "plot", str(tmp_path))[0] == 0
    for name in ("summary.csv", "summary.md", "results.csv", "plots.md", "plots/gain-per-round.png"):
        assert (tmp_path / name).read_bytes() == (finished.folder / name).read_bytes()


def test_half_a_study_can_be_reported(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    folder = ResultFolder(tmp_path / "out")
    for job in expand(read_study(finished.file), finished.file):
        if job.seed == 5 or job.arm == "long":
            folder.result(job).unlink()
    outcomes = load_results(folder)
    assert [group.title for group in outcomes.groups_with_results] == [
        f"{arm}, clients {clients}" for arm in ("fedface", "no spreadout") for clients in (2, 4)
    ]
    gain = outcomes.groups_with_results[0].gain("auc")
    assert gain is not None
    assert (gain.seeds, gain.interval) == (1, None)


def test_an_upper_bound_far_above_is_told_instead_of_drawn(finished: Finished) -> None:
    outcomes = load_results(ResultFolder(finished.folder))
    raised = replace(
        outcomes, groups=tuple(_raised(group, 0.3 if group.arm == "long" else 0.02) for group in outcomes.groups)
    )
    level = replace(outcomes, groups=tuple(_raised(group, 0.02) for group in outcomes.groups))
    for plotted in (plot_gain_per_round, lambda shown: plot_gain_against(shown, "split.clients")):
        told, drawn = plotted(raised), plotted(level)
        assert told.caption.endswith("Too far above to be drawn: long, clients 2 +30.0 ± 0.0; long, clients 4 +30.0 ± 0.0.")
        assert "Too far" not in drawn.caption
        for plot, arms in ((told, ["fedface", "no spreadout"]), (drawn, ["fedface", "no spreadout", "long"])):
            assert [text.get_text() for text in plot.figure.legends[0].get_texts()] == arms
            assert max(axes.get_ylim()[1] for axes in plot.figure.axes) < 4
            plt.close(plot.figure)


def test_no_roc_curve_is_cut_off(finished: Finished) -> None:
    outcomes = load_results(ResultFolder(finished.folder))
    high, low = outcomes.groups_with_results[0], outcomes.groups_with_results[2]
    (above, below) = (RocCurve(far=[0.0, 0.1, 1.0], tar=[share, share, 1.0]) for share in (0.9, 0.1))
    groups = []
    for group, curve in ((high, above), (low, below)):
        results = {
            seed: result.model_copy(
                update={name: getattr(result, name).model_copy(update={"roc": curve}) for name in ("before", "after")}
            )
            for seed, result in group.results.items()
        }
        groups.append(replace(group, results=results))
    plot = plot_roc(outcomes, groups)
    for axes in plot.figure.axes:
        assert axes.get_ylim()[0] < 0.1
        assert axes.get_xscale() == "log"
        assert np.asarray(axes.lines[1].get_ydata())[-1] == 1.0
    plt.close(plot.figure)


def _raised(group: Group, gain: float) -> Group:
    """The group with every result's gain in TAR@5e-1 set."""
    results = {}
    for seed, result in group.results.items():
        rounds = tuple(
            finished.model_copy(update={"scores": finished.scores and _with_tar(finished.scores, 0.4 + gain * (number > 0))})
            for number, finished in enumerate(result.rounds)
        )
        results[seed] = result.model_copy(update={"rounds": rounds})
    return replace(group, results=results)


def _with_tar(scores: Scores, tar: float) -> Scores:
    return scores.model_copy(update={"tar": {"5e-1": tar, "1e-3": None}})


def test_a_folder_without_results_is_refused(fedface: Invoke, finished: Finished, tmp_path: Path) -> None:
    code, _, err = fedface("study", "report", str(tmp_path))
    assert code == 1
    assert "holds no study" in err
    shutil.copy(finished.folder / "study.toml", tmp_path)
    code, _, err = fedface("study", "plot", str(tmp_path))
    assert code == 2
    assert "holds no result yet of the study tiny" in " ".join(err.split())


def test_a_damaged_result_is_named(fedface: Invoke, finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    damaged = next((tmp_path / "out" / "jobs").glob("*.json"))
    damaged.write_text(damaged.read_text()[:-9])
    code, _, err = fedface("study", "report", str(tmp_path / "out"))
    assert code == 2
    assert f"{damaged.name} is not a result of this study: remove it" in " ".join(err.split())
