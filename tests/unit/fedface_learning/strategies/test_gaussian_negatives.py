"""Gaussian negatives: what a client takes out of the class sums, and what it puts in."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.client.local_training import TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.models import initial_network
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER, ClassSums, on_the_grid
from fedface_learning.objectives.gaussian_negatives import cosface_with_gaussian
from fedface_learning.objectives.losses import cosface
from fedface_learning.strategies import NOTHING, ClientRound, Tensors
from fedface_learning.strategies.gaussian_negatives import GAUSSIAN_NEGATIVES, add_parts, cosface_against_all_others
from fedface_learning.strategies.public_negatives import PUBLIC
from support.server_rounds import server_round
from support.small_networks import small_plan

PLAN = small_plan(strategy="gaussian-negatives")
DRAWS = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
ROWS = [on_the_grid(row_D) for row_D in DRAWS]
FEATURES_ND = torch.tensor([[5.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])


def sums_of(rows: list[Tensor]) -> ClassSums:
    total = ClassSums.empty(4)
    for row_D in rows:
        total = total + ClassSums.part_of(row_D)
    return total


def client_round(own_D: Tensor, guidance: Tensors, former_D: Tensor | None = None) -> ClientRound:
    former_D = own_D if former_D is None else former_D
    return ClientRound(PLAN, 1, initial_network(PLAN.model, 0), own_D, former_D, NOTHING, guidance)


def test_a_client_is_pushed_away_from_all_others_but_not_from_itself() -> None:
    """Its loss is to the bit that against the Gaussian of the others alone. It would be another with itself among them."""
    found = cosface_against_all_others(client_round(ROWS[3], sums_of(ROWS).tensors()), FEATURES_ND)
    others = sums_of([*ROWS[:3], *ROWS[4:]]).gaussian()
    embeddings_ND = normalize(FEATURES_ND)
    labels_N = torch.zeros(2, dtype=torch.int64)
    own_1D = ROWS[3].unsqueeze(0)
    assert torch.equal(found, cosface_with_gaussian(embeddings_ND, own_1D, labels_N, others, scale=10.0, margin=0.35))
    everybody = sums_of(ROWS).gaussian()
    assert found != cosface_with_gaussian(embeddings_ND, own_1D, labels_N, everybody, scale=10.0, margin=0.35)


def test_a_client_is_drawn_to_its_new_class_embedding_and_takes_the_former_one_out_of_the_sums() -> None:
    found = cosface_against_all_others(client_round(ROWS[9], sums_of(ROWS[:3]).tensors(), ROWS[2]), FEATURES_ND)
    others = sums_of(ROWS[:2]).gaussian()
    labels_N = torch.zeros(2, dtype=torch.int64)
    rows_1D = ROWS[9].unsqueeze(0)
    expected = cosface_with_gaussian(normalize(FEATURES_ND), rows_1D, labels_N, others, scale=10.0, margin=0.35)
    assert torch.equal(found, expected)


def test_two_clients_are_cosface_with_two_classes() -> None:
    found = cosface_against_all_others(client_round(ROWS[0], sums_of(ROWS[:2]).tensors()), FEATURES_ND)
    cosines_NK = normalize(FEATURES_ND) @ torch.stack(ROWS[:2]).T
    torch.testing.assert_close(found, cosface(cosines_NK, torch.zeros(2, dtype=torch.int64), scale=10.0, margin=0.35))


def test_public_identities_are_negatives_too() -> None:
    public_KD = normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(1)), dim=1)
    alone = client_round(ROWS[0], {**sums_of(ROWS[:1]).tensors(), PUBLIC: public_KD})
    cosines_NK = normalize(FEATURES_ND) @ torch.cat([ROWS[0].unsqueeze(0), public_KD]).T
    expected = cosface(cosines_NK, torch.zeros(2, dtype=torch.int64), scale=10.0, margin=0.35)
    torch.testing.assert_close(cosface_against_all_others(alone, FEATURES_ND), expected)


def test_malformed_sums_are_refused_before_a_client_trains() -> None:
    trainer = LocalTrainer(initial_network(PLAN.model, 0))
    malformed = TrainingRound(PLAN, 1, sums_of(ROWS[:29]).tensors() | count(30))
    with pytest.raises(DamagedObjectError, match="class sums of 30 clients"):
        trainer.client_round(malformed, ROWS[0], ROWS[0])
    assert trainer.client_round(TrainingRound(PLAN, 1, sums_of(ROWS).tensors()), ROWS[0], ROWS[0]).guidance


def count(clients: int) -> dict[str, Tensor]:
    return {"class_sums/clients": torch.tensor(clients)}


def test_a_client_uploads_the_class_embedding_that_it_takes_out_and_the_one_that_it_puts_in() -> None:
    uploads = GAUSSIAN_NEGATIVES.uploads(client_round(ROWS[0], NOTHING), FEATURES_ND)
    assert {name: tuple(tensor.shape) for name, tensor in uploads.items()} == GAUSSIAN_NEGATIVES.upload_shapes(PLAN)
    before_D, after_D = uploads[BEFORE_AND_AFTER]
    assert torch.equal(before_D, ROWS[0])
    assert torch.equal(after_D, on_the_grid(torch.tensor([1.0, 1.0, 0.0, 0.0])))
    renewed = GAUSSIAN_NEGATIVES.uploads(client_round(ROWS[1], NOTHING, ROWS[0]), FEATURES_ND[:0])
    assert torch.equal(renewed[BEFORE_AND_AFTER], torch.stack(ROWS[:2])), "the one that it trained with"


def test_the_aggregator_has_sums_and_no_rows() -> None:
    enrolment = replace(server_round(PLAN, initial_network(PLAN.model, 0)), sums=sums_of(ROWS))
    enrolled = add_parts(enrolment)
    assert enrolled.class_embeddings_CD is None
    assert enrolled.stats.max_off_diagonal_cosine is None
    assert enrolled.stats.mean_off_diagonal_cosine == sums_of(ROWS).mean_cosine
    assert enrolled.state.keys() == enrolled.guidance.keys() == sums_of(ROWS).tensors().keys(), "no public identities"
    change = ClassSums.part_of(ROWS[1]) - ClassSums.part_of(ROWS[0])
    next_round = replace(enrolment, number=1, state=enrolled.state, sums=change)
    found = ClassSums.read(add_parts(next_round).state, 4)
    assert torch.equal(found.second_DD, sums_of([ROWS[1], *ROWS[1:]]).second_DD)
