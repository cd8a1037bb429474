"""Spreadout against its formulae, and against its purpose: clients that are apart, however many they are.

Suffixes of tensor names: C clients, D dimensions, A some of the clients.
"""

from __future__ import annotations

import time

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan.spreadout import SpreadoutPlan
from fedface_learning.objectives.spreadout import spread, spreadout_gradient, spreadout_stats

DEFAULTS = SpreadoutPlan()


def written_loss(rows_CD: Tensor, plan: SpreadoutPlan) -> Tensor:
    """λ · mean_{c≠c'} max(0, w_c·w_c' − ν)², pair by pair."""
    clients = len(rows_CD)
    pairs = [
        torch.clamp(rows_CD[c] @ rows_CD[other] - plan.margin, min=0) ** 2
        for c in range(clients)
        for other in range(clients)
        if c != other
    ]
    return plan.weight * torch.stack(pairs).mean()


def similar_rows(clients: int, size: int, cosine: float, seed: int = 0) -> Tensor:
    """Unit rows whose expected cosine with each other is ``cosine``."""
    draws = torch.Generator().manual_seed(seed)
    common_D = normalize(torch.randn(size, generator=draws), dim=0)
    own_CD = normalize(torch.randn(clients, size, generator=draws), dim=1)
    return normalize(cosine**0.5 * common_D + (1 - cosine) ** 0.5 * own_CD, dim=1)


@pytest.mark.parametrize("clients", [2, 3, 17])
@pytest.mark.parametrize("margin", [-0.5, 0.0, 0.3])
def test_the_analytic_gradient_is_autograds(clients: int, margin: float) -> None:
    plan = SpreadoutPlan(margin=margin, weight=7.0)
    rows_CD = similar_rows(clients, 5, 0.5).double().requires_grad_()
    (expected_CD,) = torch.autograd.grad(written_loss(rows_CD, plan), rows_CD)
    assert expected_CD.abs().max() > 0.01
    torch.testing.assert_close(spreadout_gradient(rows_CD.detach(), plan), expected_CD, rtol=1e-10, atol=1e-12)


def test_one_short_step_follows_the_gradient_of_each_rows_own_sum() -> None:
    plan = SpreadoutPlan(steps=1, learning_rate=1e-3)
    rows_CD = similar_rows(6, 5, 0.5).double()
    for_rows_CD = spreadout_gradient(rows_CD, plan) * (6 * 5) / 2  # 4λ/C(C−1) · Σ becomes 2λ · Σ
    expected_CD = normalize(rows_CD - plan.learning_rate * for_rows_CD, dim=1)
    spread_CD, _ = spread(rows_CD.float(), plan)
    torch.testing.assert_close(spread_CD, expected_CD.float())


def test_steps_on_the_mean_over_pairs_have_momentum_and_follow_the_written_loss() -> None:
    plan = SpreadoutPlan(step="pair-mean", momentum=0.9, weight=7.0, steps=3)
    start_CD = similar_rows(6, 5, 0.5).double()
    rows_CD = start_CD
    velocity_CD = torch.zeros_like(rows_CD)
    for _ in range(3):
        rows_CD = rows_CD.detach().requires_grad_()
        (gradient_CD,) = torch.autograd.grad(written_loss(rows_CD, plan), rows_CD)
        velocity_CD = 0.9 * velocity_CD + gradient_CD
        rows_CD = normalize(rows_CD - 0.01 * velocity_CD, dim=1)
    spread_CD, _ = spread(start_CD.float(), plan)
    torch.testing.assert_close(spread_CD, rows_CD.float().detach())


def test_the_public_codes_spreadout_moves_a_thousand_clients_hardly_at_all() -> None:
    rows_CD = similar_rows(1000, 64, 0.3177)
    before = spreadout_stats(rows_CD.double(), DEFAULTS).mean_off_diagonal_cosine
    as_published = SpreadoutPlan(weight=1.0, step="pair-mean", momentum=0.9)
    after, ours = (spread(rows_CD, plan)[1].mean_off_diagonal_cosine for plan in (as_published, DEFAULTS))
    assert before - after < 1e-3
    assert ours < 0.05 < before


def test_momentum_is_for_steps_on_the_mean_over_pairs() -> None:
    with pytest.raises(ValidationError, match="momentum is for step 'pair-mean'"):
        SpreadoutPlan(momentum=0.9)


@pytest.mark.parametrize("clients", [5, 1100])  # 1100 rows are more than one block
def test_the_statistics_are_those_of_the_cosines_off_the_diagonal(clients: int) -> None:
    rows_CD = similar_rows(clients, 16, 0.4).double()
    cosines = (rows_CD @ rows_CD.T)[~torch.eye(clients, dtype=torch.bool)]
    stats = spreadout_stats(rows_CD, DEFAULTS)
    assert stats.loss == pytest.approx(float(10 * torch.clamp(cosines - 0.3, min=0).square().mean()))
    assert stats.mean_off_diagonal_cosine == pytest.approx(float(cosines.mean()))
    assert stats.max_off_diagonal_cosine == pytest.approx(float(cosines.max()))


@pytest.mark.parametrize("clients", [200, 1100])
@pytest.mark.parametrize("cosine", [0.4, 0.86, 0.99])
def test_one_spreadout_parts_similar_clients_however_many_they_are(clients: int, cosine: float) -> None:
    rows_CD = similar_rows(clients, 128, cosine)
    spread_CD, stats = spread(rows_CD, DEFAULTS)
    assert abs(stats.mean_off_diagonal_cosine) < 0.08
    assert (stats.max_off_diagonal_cosine or 1) < 0.45
    torch.testing.assert_close(spread_CD.norm(dim=1), torch.ones(clients))


def test_rows_that_are_apart_stay_where_they_are() -> None:
    rows_CD = torch.eye(8)
    spread_CD, stats = spread(rows_CD, DEFAULTS)
    assert torch.equal(spread_CD, rows_CD)
    assert (stats.loss, stats.mean_off_diagonal_cosine, stats.max_off_diagonal_cosine) == (0, 0, 0)


def test_equal_rows_stay_finite() -> None:
    spread_CD, stats = spread(torch.eye(4)[:1].repeat(300, 1), DEFAULTS)
    torch.testing.assert_close(spread_CD.norm(dim=1), torch.ones(300))
    assert stats.max_off_diagonal_cosine == pytest.approx(1)


def test_a_client_that_is_not_enrolled_neither_pushes_nor_moves() -> None:
    rows_CD = similar_rows(5, 16, 0.8)
    with_zero_row_CD = torch.cat([rows_CD[:2], torch.zeros(1, 16), rows_CD[2:]])
    spread_CD, stats = spread(with_zero_row_CD, DEFAULTS)
    expected_CD, expected_stats = spread(rows_CD, DEFAULTS)
    assert torch.equal(spread_CD[[0, 1, 3, 4, 5]], expected_CD)
    assert not spread_CD[2].any()
    assert stats == expected_stats


@pytest.mark.parametrize("clients", [0, 1])
def test_fewer_than_two_clients_have_nobody_to_part_from(clients: int) -> None:
    rows_CD = torch.eye(4)[:clients]
    spread_CD, stats = spread(rows_CD, DEFAULTS)
    assert torch.equal(spread_CD, rows_CD)
    assert (stats.loss, stats.mean_off_diagonal_cosine, stats.max_off_diagonal_cosine) == (0, 0, 0)


def test_no_steps_switch_it_off() -> None:
    rows_CD = similar_rows(10, 16, 0.8)
    spread_CD, stats = spread(rows_CD, SpreadoutPlan(steps=0))
    assert torch.equal(spread_CD, rows_CD)
    assert stats.mean_off_diagonal_cosine == pytest.approx(0.8, abs=0.1)


def spread_in_float64(rows_CD: Tensor, steps: int, at_once: int) -> Tensor:
    """So many steps of the default spreadout by their formula in float64, for so many rows (A) at once."""
    rows_CD = rows_CD.double()
    for _ in range(steps):
        stepped_CD = torch.empty_like(rows_CD)
        for first in range(0, len(rows_CD), at_once):
            block = slice(first, first + at_once)
            hinges_AC = torch.clamp(rows_CD[block] @ rows_CD.T - DEFAULTS.margin, min=0)
            hinges_AC[:, block].fill_diagonal_(0)
            rates_A = torch.clamp(0.9 / hinges_AC.sum(dim=1), max=2 * DEFAULTS.weight * DEFAULTS.learning_rate)
            stepped_CD[block] = normalize(rows_CD[block] - rates_A.unsqueeze(1) * (hinges_AC @ rows_CD), dim=1)
        rows_CD = stepped_CD
    return rows_CD


@pytest.mark.parametrize("cosine", [0.0, 0.4, 0.86])
def test_products_in_float32_and_in_blocks_make_the_rows_of_float64(cosine: float) -> None:
    """1,100 rows are three blocks, so each row has neighbours before, within and after its own block."""
    rows_CD = similar_rows(1100, 32, cosine)
    found_CD, _ = spread(rows_CD, DEFAULTS)
    torch.testing.assert_close(
        found_CD.double(), spread_in_float64(rows_CD, DEFAULTS.steps, at_once=1100), rtol=0, atol=1e-6
    )


@pytest.mark.long
def test_ten_thousand_clients_get_the_rows_of_float64_in_less_than_three_seconds_a_step() -> None:
    rows_CD = similar_rows(10_000, 128, 0.86)
    steps = 3
    began = time.process_time()  # of one thread, as these tests have
    found_CD, _ = spread(rows_CD, DEFAULTS.model_copy(update={"steps": steps}))
    assert time.process_time() - began < 3 * steps, "the statistics take less than a step"
    assert (found_CD - rows_CD).abs().max() > 0.1
    torch.testing.assert_close(found_CD.double(), spread_in_float64(rows_CD, steps, at_once=500), rtol=0, atol=1e-6)
