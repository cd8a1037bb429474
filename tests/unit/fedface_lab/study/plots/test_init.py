"""All plots of a study are drawn and listed with their captions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.plots import draw_all
from fedface_lab.study.study_results import load_results
from support.finished_study import Finished

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


def test_a_plot_against_what_the_arms_differ_in_is_drawn_where_the_study_asks_for_it(
    finished: Finished, tmp_path: Path
) -> None:
    folder = ResultFolder(tmp_path / "study")
    shutil.copytree(finished.folder, folder.root)
    text = folder.study().read_text()
    asked = 'plot_against = "local_training.steps"\n' + text.replace(
        "[arms.fedface]", '[arms.fedface]\n"local_training.steps" = 1'
    )
    folder.study().write_text(asked.replace("spreadout.steps = 0", 'spreadout.steps = 0\n"local_training.steps" = 2'))
    drawn = draw_all(load_results(folder), folder)
    assert folder.root / "plots" / "gain-against-local_training.steps.png" in drawn
    assert "against local_training.steps, with a point for each arm" in (folder.root / "plots.md").read_text()
