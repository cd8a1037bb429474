"""A study's tables: every line and figure is what the stored results give."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from fedface_lab.study.grid import expand
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.study_file import read_study
from fedface_lab.study.study_results import load_results
from fedface_lab.study.tables import summary_lines, write_tables
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
    rounds = lines_of(finished.folder / "results.csv")
    summary = lines_of(finished.folder / "summary.csv")
    assert [(line["arm"], line["split.clients"]) for line in summary] == [
        (arm, clients) for arm in ("fedface", "no spreadout", "long") for clients in ("2", "4")
    ]

    def aucs(arm: str, clients: str, number: str) -> np.ndarray:
        wanted = (arm, clients, number)
        return np.array(
            [float(line["auc"]) for line in rounds if (line["arm"], line["split.clients"], line["round"]) == wanted]
        )

    for line in summary:
        of_update = float(line["bytes an update"])
        of_round = float(line["bytes a round"])
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


def test_recovery_is_also_told_net_of_what_is_learnt_without_clients(finished: Finished, tmp_path: Path) -> None:
    """The arm without clients changes no digest: a study that is done can name one."""
    shutil.copytree(finished.folder, tmp_path / "out")
    folder = ResultFolder(tmp_path / "out")
    upper = 'upper_bound = "long"\n'
    folder.study().write_text(finished.file.read_text().replace(upper, f'{upper}without_clients = "no spreadout"\n'))
    results = load_results(folder)
    write_tables(results, folder)
    resolved = 0
    for line in summary_lines(results):
        of_arm = {
            group.arm: group for group in results.groups if dict(group.point)["split.clients"] == line["split.clients"]
        }
        after = {arm: np.mean(list(group.by_seed("auc", -1).values())) for arm, group in of_arm.items()}
        gap = after["long"] - after["no spreadout"]
        if line["arm"] != "fedface" or gap <= 0:
            assert line["auc recovered net"] is None
        else:
            resolved += 1
            share = (after["fedface"] - after["no spreadout"]) / gap
            assert line["auc recovered net"] == pytest.approx(share)
    assert resolved, "a study of this test has a gap"
    text = (folder.root / "summary.md").read_text()
    assert "| seeds | recovered | net | update | round |" in text
    assert "*Net*: the same from no spreadout's *after* on" in text
    heads = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(heads) == 1, "every line has every column"


def test_an_arm_is_told_beside_another_one_seed_by_seed(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    folder = ResultFolder(tmp_path / "out")
    upper = 'upper_bound = "long"\n'
    compared = f'{upper}compared = {{fedface = "no spreadout"}}\n'
    folder.study().write_text(finished.file.read_text().replace(upper, compared))
    results = load_results(folder)
    write_tables(results, folder)
    text = (folder.root / "summary.md").read_text()
    assert "*Difference*: an arm's *after* minus" in text
    assert text.count("| fedface | no spreadout |") == 4 * 2, "a line for each metric and point"
    for line in summary_lines(results):
        of_arm = {
            group.arm: group for group in results.groups if dict(group.point)["split.clients"] == line["split.clients"]
        }
        own, other = (of_arm[arm].by_seed("eer", -1) for arm in ("fedface", "no spreadout"))
        differences = np.array([own[seed] - other[seed] for seed in own])
        if line["arm"] != "fedface":
            assert line["eer difference"] is None
            continue
        assert line["eer difference"] == pytest.approx(differences.mean())
        half = 12.7062047 * differences.std(ddof=1) / np.sqrt(2)
        assert line["eer difference low"] == pytest.approx(differences.mean() - half)
        assert line["eer difference high"] == pytest.approx(differences.mean() + half)
        assert line["eer seeds better than beside"] == (differences < 0).sum()
