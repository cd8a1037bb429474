"""All plots of a study are drawn and listed with their captions."""

from __future__ import annotations

import numpy as np
from PIL import Image

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
