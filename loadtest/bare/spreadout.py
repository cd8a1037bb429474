"""Spreadout as one writes it for a few thousand clients, with all cosines at once. C clients, D dimensions."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from loadtest.bare.workload import Spreadout

_LARGEST_STEP: Final = 0.9
"""The largest share of the weighted mean of a row's neighbours that one step subtracts, as in `fedface_learning`."""


def spread(class_embeddings_CD: Tensor, spreadout: Spreadout) -> Tensor:
    """Push unit rows (C, D), float32, apart until no two have a cosine above the margin, or all steps are done."""
    rows_CD = class_embeddings_CD.double()
    for _ in range(spreadout.steps):
        hinges_CC = torch.clamp(rows_CD @ rows_CD.T - spreadout.margin, min=0).fill_diagonal_(0)
        overlaps_C1 = hinges_CC.sum(dim=1, keepdim=True)
        if not overlaps_C1.any():
            break
        rates_C1 = torch.clamp(_LARGEST_STEP / overlaps_C1, max=2 * spreadout.weight * spreadout.learning_rate)
        rows_CD = normalize(rows_CD - rates_C1 * (hinges_CC @ rows_CD), dim=1)
    return rows_CD.float()
