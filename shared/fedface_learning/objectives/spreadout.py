"""Spreadout: the step on the server that pushes class embeddings apart. It replaces the negatives that no client has.

The loss is ``λ · mean_{c≠c'} max(0, w_c·w_c' − ν)²`` (Aggarwal et al., *FedFace*, IJCB 2021). A step does not follow the
gradient of this loss: the mean over C(C−1) pairs makes a row's gradient shrink as 1/C, and at a thousand clients ten steps
would move nothing. Instead, each row steps on the *sum* over its own pairs. While many pairs are too close, this sum grows
with C, and a step longer than the way to the mean of a row's neighbours would throw all rows together on the other side.
So at most the share `LARGEST_STEP` of the neighbours' weighted mean is taken off a row. Both rules are independent of C
(ADR 5). The plan may ask for plain steps on the mean, as the paper's public code takes them, to show the difference.

With C rows a step takes C² cosines. They are computed in float32, each pair once, in blocks that stay in a core's cache;
sums over blocks and the rows themselves are float64. The rows differ from those of float64 throughout by less than 1e-6.

Suffixes of tensor names: C clients, D dimensions, A and B the rows of two blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan.spreadout import SpreadoutPlan

# Below 1, so that a row that equals all its neighbours keeps some length and can be normalised.
LARGEST_STEP = 0.9
_BLOCK = 512  # rows and columns of the C×C cosines that are in memory at once: a megabyte


@dataclass(frozen=True)
class SpreadoutStats:
    """Statistics of class embeddings: spreadout's loss, and the cosines between different clients."""

    loss: float
    mean_off_diagonal_cosine: float
    """The mean over all pairs of different clients."""
    max_off_diagonal_cosine: float | None
    """The largest of all pairs of different clients; None if class embeddings stay with their clients."""


def spread(class_embeddings_CD: Tensor, plan: SpreadoutPlan) -> tuple[Tensor, SpreadoutStats]:
    """Push the unit rows (C, D) apart until no two have a cosine above ``plan.margin``, in at most ``plan.steps`` steps.

    Returns the new rows (C, D), float32, and their statistics. A zero row, which belongs to a client that is not enrolled,
    pushes nobody and stays zero.
    """
    enrolled_C = class_embeddings_CD.any(dim=1)
    rows_CD = class_embeddings_CD[enrolled_C].double()
    if len(rows_CD) > 1:
        rows_CD = _SPREADS[plan.step](rows_CD, plan)
    spread_CD = class_embeddings_CD.float().clone()
    spread_CD[enrolled_C] = rows_CD.float()
    return spread_CD, spreadout_stats(rows_CD, plan)


def _by_row_sums(rows_CD: Tensor, plan: SpreadoutPlan) -> Tensor:
    for _ in range(plan.steps):
        pushes_CD, overlaps_C = _pushes(rows_CD.float(), plan.margin)
        if not overlaps_C.any():
            break
        # The gradient of the row's own sum λ·Σ_{c'} max(0, w_c·w_c' − ν)² is 2λ · push.
        rates_C = torch.clamp(LARGEST_STEP / overlaps_C, max=2 * plan.weight * plan.learning_rate)
        rows_CD = normalize(rows_CD - rates_C.unsqueeze(1) * pushes_CD, dim=1)
    return rows_CD


def _by_pair_mean(rows_CD: Tensor, plan: SpreadoutPlan) -> Tensor:
    velocity_CD = torch.zeros_like(rows_CD)
    for _ in range(plan.steps):
        velocity_CD = plan.momentum * velocity_CD + spreadout_gradient(rows_CD, plan)
        rows_CD = normalize(rows_CD - plan.learning_rate * velocity_CD, dim=1)
    return rows_CD


_SPREADS: Final[Mapping[str, Callable[[Tensor, SpreadoutPlan], Tensor]]] = {
    "row-sum": _by_row_sums,
    "pair-mean": _by_pair_mean,
}
"""What a plan calls a step → the function that takes all steps from rows (C, D), float64."""


def spreadout_gradient(class_embeddings_CD: Tensor, plan: SpreadoutPlan) -> Tensor:
    """The gradient (C, D) of spreadout's loss by the unit rows: ``4λ / C(C−1) · Σ_{c'≠c} max(0, w_c·w_c' − ν)·w_c'``.

    There must be at least two rows.
    """
    clients = len(class_embeddings_CD)
    pushes_CD, _ = _pushes(class_embeddings_CD, plan.margin)
    return 4 * plan.weight / (clients * (clients - 1)) * pushes_CD


def spreadout_stats(class_embeddings_CD: Tensor, plan: SpreadoutPlan) -> SpreadoutStats:
    """The statistics of unit rows (C, D), which are all zero for fewer than two rows."""
    clients = len(class_embeddings_CD)
    if clients < 2:
        return SpreadoutStats(0.0, 0.0, 0.0)
    squares = 0.0
    total = 0.0
    largest = -1.0
    for first, second, cosines_AB in _cosine_blocks(class_embeddings_CD.float()):
        times = 1 if first == second else 2
        squares += times * float(torch.clamp(cosines_AB - plan.margin, min=0).square().sum())
        total += times * float(cosines_AB.sum())
        largest = max(largest, float(cosines_AB.max()))
    pairs = clients * (clients - 1)
    return SpreadoutStats(
        plan.weight * squares / pairs, (total + clients) / pairs, largest
    )  # without the −1s of the diagonal


def _pushes(rows_CD: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """For each row ``Σ h·w_c'`` (C, D) and ``Σ h`` (C,) over all other rows c', with h = max(0, w_c·w_c' − ν).

    The products have the type of the rows; they are summed in float64.
    """
    pushes_CD = torch.zeros(rows_CD.shape, dtype=torch.float64)
    overlaps_C = torch.zeros(len(rows_CD), dtype=torch.float64)
    for first, second, cosines_AB in _cosine_blocks(rows_CD):
        hinges_AB = cosines_AB.sub_(margin).clamp_(min=0)
        overlaps_A = hinges_AB.sum(dim=1)
        if not overlaps_A.any():
            continue
        overlaps_C[first] += overlaps_A
        pushes_CD[first] += hinges_AB @ rows_CD[second]
        if first != second:
            overlaps_C[second] += hinges_AB.sum(dim=0)
            pushes_CD[second] += hinges_AB.T @ rows_CD[first]
    return pushes_CD, overlaps_C


def _cosine_blocks(rows_CD: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """W·Wᵀ in blocks (A, B), each pair of different rows once: which rows, which columns, and their cosines.

    A row has −1 with itself: no margin is below that, so no row counts as its own neighbour. A block may be written to.
    """
    slices = [slice(first, first + _BLOCK) for first in range(0, len(rows_CD), _BLOCK)]
    for place, first in enumerate(slices):
        for second in slices[place:]:
            cosines_AB = rows_CD[first] @ rows_CD[second].T
            if first == second:
                cosines_AB.fill_diagonal_(-1.0)
            yield first, second, cosines_AB
