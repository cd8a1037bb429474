"""Enrolment against the formulas, and round 0 as a whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import normalize

from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.plan import Plan
from fedface_learning.aggregation import EnrolmentPartial, StartingPoint
from fedface_learning.aggregation.reduce import reduce_partials
from fedface_learning.client.enrolment import enrol, mean_embedding, random_class_embeddings
from fedface_learning.client.update import enrolment_update
from fedface_learning.data import FaceDataset
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import initial_network
from fedface_learning.models.embedding import embed, raw_features
from fedface_learning.simulation.federated_rounds import Federation, federated_rounds
from fedface_learning.simulation.simulation_data import SimulationData
from fedface_learning.updates.form import in_one_block
from support.server_rounds import server_round, starting_point, stored_again


def test_three_clients_worked_by_hand() -> None:
    # n = 1, 0, 3; the second client is not enrolled.
    # centre = (1·(4, 0) + 3·(0, 4)) / 4 = (1, 3)
    # (4, 0) − (1, 3) = (3, −3) → (1, −1)/√2;   (0, 4) − (1, 3) = (−1, 1) → (−1, 1)/√2
    means_CD = torch.tensor([[4.0, 0.0], [0.0, 0.0], [0.0, 4.0]])
    enrolment = enrol(means_CD, torch.tensor([1, 0, 3]), centring=True)
    assert enrolment.centre_D.tolist() == [1.0, 3.0]
    half = 0.5**0.5
    torch.testing.assert_close(enrolment.class_embeddings_CD, torch.tensor([[half, -half], [0.0, 0.0], [-half, half]]))


def test_without_centring_a_class_embedding_is_the_normalised_mean() -> None:
    means_CD = torch.tensor([[3.0, 4.0], [0.0, 0.5]])
    enrolment = enrol(means_CD, torch.tensor([2, 2]), centring=False)
    torch.testing.assert_close(enrolment.class_embeddings_CD, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    assert not enrolment.centre_D.any()


def test_the_mean_embedding_is_of_unit_embeddings_or_with_centring_of_raw_features(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    network = initial_network(tiny_plan().model, 0)
    images_NCHW = tiny_faces.images("person-0")
    with torch.no_grad():
        features_ND = network.features(images_NCHW)
    torch.testing.assert_close(mean_embedding(network, images_NCHW, centring=True), features_ND.mean(0))
    torch.testing.assert_close(mean_embedding(network, images_NCHW, centring=False), normalize(features_ND).mean(0))


def round_zero(plan: Plan, faces: FaceDataset, clients: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Class embeddings and the model's centre after the enrolment of ``clients``."""
    network = initial_network(plan.model, 0)
    start = starting_point(plan, network.state_dict())
    partial = EnrolmentPartial()
    for index in clients:
        update = enrolment_update(network, faces.images(faces.identities[index]), plan)
        partial.fold(f"client-{index:06d}", update.accepted, in_one_block(update.data), start)
    reduced = reduce_partials([stored_again(partial)], server_round(plan, network))
    assert reduced.aggregation.folded == len(clients)
    assert reduced.aggregation.images == 6 * len(clients)
    return decode_class_embeddings(reduced.class_embeddings, 16), network.centre


def test_a_client_that_was_not_enrolled_has_a_row_of_zeros(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    for initialisation in ("mean-feature", "random"):
        class_embeddings_CD, _ = round_zero(tiny_plan(initialisation=initialisation), tiny_faces, [0, 1, 5])
        assert class_embeddings_CD.shape == (8, 16)
        lengths_C = class_embeddings_CD.norm(dim=1)
        torch.testing.assert_close(lengths_C, torch.tensor([1.0, 1, 0, 0, 0, 1, 0, 0]))


def test_centring_puts_the_clients_centre_into_the_model(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(model={"centring": True}, spreadout={"steps": 0})
    class_embeddings_CD, centre_D = round_zero(plan, tiny_faces, list(range(8)))
    network = initial_network(plan.model, 0)
    with torch.no_grad():
        features_CND = torch.stack([network.features(tiny_faces.images(f"person-{index}")) for index in range(8)])
    torch.testing.assert_close(centre_D, features_CND.mean(dim=(0, 1)))
    torch.testing.assert_close(class_embeddings_CD, normalize(features_CND.mean(dim=1) - centre_D), rtol=1e-3, atol=1e-4)


def test_random_class_embeddings_know_nothing_of_the_faces(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(initialisation="random", spreadout={"steps": 0})
    class_embeddings_CD, _ = round_zero(plan, tiny_faces, list(range(8)))
    assert torch.equal(class_embeddings_CD, random_class_embeddings(8, 16, plan.seed))
    assert not torch.equal(class_embeddings_CD, random_class_embeddings(8, 16, plan.seed + 1))


def test_where_nobody_could_be_enrolled_the_error_says_why(tiny_plan: Callable[..., Plan]) -> None:
    plan = tiny_plan()
    nobody = EnrolmentPartial(refused={"client-000000": "not_finite"})
    with pytest.raises(FedFaceError, match=r"0 updates could be used, .* client-000000 \(not_finite\)"):
        reduce_partials([nobody], server_round(plan, initial_network(plan.model, 0)))


def test_an_enrolment_that_fails_a_check_is_left_out_with_its_reason(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    plan = tiny_plan()
    network = initial_network(plan.model, 0)
    update = enrolment_update(network, tiny_faces.images("person-0"), plan)
    partial = EnrolmentPartial()
    start = starting_point(plan, network.state_dict())
    partial.fold("client-000000", update.accepted, in_one_block(update.data[:-1]), start)
    assert stored_again(partial) == EnrolmentPartial({}, {}, {"client-000000": "changed"})


def test_an_enrolment_is_compared_with_no_model(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    """So an aggregator that folds enrolments fetches no model, and accepts whatever model they report."""
    plan = tiny_plan()
    update = enrolment_update(initial_network(plan.model, 0), tiny_faces.images("person-0"), plan)

    def not_to_be_opened() -> StoredTensors:
        raise AssertionError("it opened the model")

    start = StartingPoint(plan, "0" * 64, not_to_be_opened)
    partial = EnrolmentPartial()
    assert partial.size_limit(start) >= update.accepted.size
    assert partial.admits("client-000000", update.accepted, start)
    partial.fold("client-000000", update.accepted, in_one_block(update.data), start)
    assert (partial.folded, partial.refused) == (1, {})


def test_without_centring_imported_weights_keep_their_centre(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    """It is a part of the published network: without it, class embeddings and scores would be of two networks."""
    plan = tiny_plan(strategy="fedavg", rounds=1)
    data = SimulationData.of(plan, tiny_faces)
    network = initial_network(plan.model, 0)
    imported_D = raw_features(network, tiny_faces.images("person-0")).mean(dim=0) / 2
    network.centre.copy_(imported_D)
    enrolled = Federation(plan, network, data).enrol()
    assert torch.equal(network.centre, imported_D)
    first_D = normalize(embed(network, tiny_faces.images(data.split.clients[0])).double().mean(dim=0), dim=0)
    torch.testing.assert_close(decode_class_embeddings(enrolled.class_embeddings, 16)[0].double(), first_D)
    *_, (reduced, _) = federated_rounds(plan, network, data)
    assert torch.equal(decode_tensors(b"".join(reduced.model))[0]["centre"], imported_D), "nor do later rounds move it"
