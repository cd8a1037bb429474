"""Maps of some test identities before and after training: embeddings in two dimensions by t-SNE.

Source: van der Maaten and Hinton, *Visualizing data using t-SNE*, JMLR 2008.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt
from sklearn.manifold import TSNE
from torch import Tensor

from fedface_lab.study.plots.style import COLOURS, COLUMN_INCHES, Plot
from fedface_lab.study.study_results import Group

_SHOWN = 12  # identities: six colours in two shapes
_SHAPES = ("o", "^")

_Floats = npt.NDArray[np.float32]


def plot_identities(group: Group, seed: int, tensors: Mapping[str, Tensor]) -> Plot:
    """Maps of the first twelve test identities; the second map starts from the first, so that both can be compared.

    ``seed`` is the job's. ``tensors`` are its embeddings: ``before_ND``, ``after_ND`` and ``labels_N``.
    """
    labels_N = tensors["labels_N"].numpy()
    shown_N = labels_N < _SHOWN
    before_ND, after_ND = (tensors[name].numpy()[shown_N] for name in ("before_ND", "after_ND"))
    before_N2 = _tsne(before_ND, _principal_plane(before_ND), early_exaggeration=12.0)
    maps = {"before": before_N2, "after": _tsne(after_ND, before_N2, early_exaggeration=1.0)}
    figure, panels = plt.subplots(1, 2, figsize=(COLUMN_INCHES, 1.75), layout="constrained")
    for axes, (title, places_N2) in zip(panels, maps.items(), strict=True):
        for identity in np.unique(labels_N[shown_N]):
            points = places_N2[labels_N[shown_N] == identity]
            colour = COLOURS[identity % len(COLOURS)]
            shape = _SHAPES[identity // len(COLOURS)]
            axes.scatter(points[:, 0], points[:, 1], s=9, color=colour, marker=shape, linewidths=0, alpha=0.85)
        axes.set_title(title, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_box_aspect(1)
        for side in axes.spines.values():
            side.set(visible=True, color="#bbbbbb")
    count = len(np.unique(labels_N[shown_N]))
    return Plot(
        figure,
        f"t-SNE of {count} unseen people's embeddings, seed {seed}, {group.title}: one colour and shape a person, one mark "
        "an image; the second map starts from the first. Distances between far clusters mean nothing.",
    )


def _principal_plane(embeddings_ND: _Floats) -> _Floats:
    """The first two principal components, scaled to the size that t-SNE starts from."""
    centred_ND = embeddings_ND - embeddings_ND.mean(axis=0)
    directions_DD = np.linalg.svd(centred_ND, full_matrices=False)[2]
    places_N2 = centred_ND @ directions_DD[:2].T
    return np.asarray(1e-4 * places_N2 / places_N2[:, 0].std())


def _tsne(embeddings_ND: _Floats, start_N2: _Floats, early_exaggeration: float) -> _Floats:
    """A map that starts from ``start_N2``. An exaggeration of 1 keeps it near the start; a larger one finds new clusters."""
    tsne = TSNE(
        perplexity=min(15.0, (len(embeddings_ND) - 1) / 3),
        early_exaggeration=early_exaggeration,
        metric="cosine",
        init=start_N2,
        random_state=0,
        method="exact",  # fast enough for few points; the approximation's threads sum in no fixed order
    )
    return np.asarray(tsne.fit_transform(embeddings_ND))
