"""What the aggregator checks of a combined update: who is in it, how many images, and that its sum fits the plan."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.ids import client_id
from fedface_learning.aggregation import TrainingPartial
from fedface_learning.aggregation.combined_update import combined_limit, read_combined
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import trained_groups
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.strategies import Tensors
from fedface_learning.updates.careful_check import CheckedUpdate
from fedface_learning.updates.checks import check_in_memory
from fedface_learning.updates.form import UpdateForm
from fedface_learning.updates.norm import NormBounds
from fedface_learning.updates.trained import TrainedModels, TrainedUpdate
from support.combined_updates import CLIENTS, PLAN, START, START_MODEL, accepted_of, declared, folded
from support.server_rounds import starting_point
from support.small_networks import small_plan


def read(partial: TrainingPartial, members: list[str] = CLIENTS) -> TrainingPartial:
    data = b"".join(partial.encoded_parts())
    assert len(data) <= combined_limit(START, len(members))
    return read_combined(io.BytesIO(data), accepted_of(data, members), START)


def test_a_combined_update_is_the_partial_of_its_clients() -> None:
    partial = folded(dict.fromkeys(CLIENTS, 1e-3))
    data = b"".join(partial.encoded_parts())
    found = read(partial)
    assert (found.folded, found.images, found.size) == (3, 6, len(data))
    merged = TrainingPartial()
    merged.merge(found)
    merged.size = partial.size
    assert b"".join(merged.encoded_parts()) == data


def test_clients_that_the_worker_refused_are_in_it_by_name() -> None:
    partial = folded({CLIENTS[0]: 1e-3, CLIENTS[1]: 1e6, CLIENTS[2]: float("nan")})
    assert partial.refused == {CLIENTS[1]: "norm_exceeded", CLIENTS[2]: "not_finite"}
    found = read(partial)
    assert (found.folded, found.images, found.refused) == (1, 1, partial.refused)
    nobody = read(folded(dict.fromkeys(CLIENTS, 1e6)))
    assert (nobody.folded, [*nobody.refused]) == (0, CLIENTS)


def with_other(**fields: Any) -> Callable[[], TrainingPartial]:
    def change() -> TrainingPartial:
        partial = folded(dict.fromkeys(CLIENTS, 1e-3))
        for name, value in fields.items():
            setattr(partial, name, value)
        return partial

    return change


def in_other_units() -> TrainingPartial:
    partial = folded(dict.fromkeys(CLIENTS, 1e-3))
    partial.changes.fraction_bits = 30
    return partial


@pytest.mark.parametrize(
    ("partial", "reason", "detail"),
    [
        (with_other(images=7), "wrong_image_count", "of 3 clients with 7 images, and 0 that are refused; .* 3 with 6"),
        (with_other(folded=4), "wrong_image_count", "of 4 clients with 6 images"),
        (with_other(folded="many"), "wrong_image_count", "of many clients"),
        (with_other(loss_before=10**400), "malformed", "other losses"),
        (with_other(loss_after="none"), "malformed", "other losses"),
        (with_other(clipped={CLIENTS[0]: 1.0}), "malformed", "neither norms nor class sums"),
        (with_other(refused={CLIENTS[0]: "a reason of its own"}), "unusable", "a reason of its own"),
        (with_other(uploaded={CLIENTS[0]: {"rows": torch.ones(2)}}), "wrong_tensors", "unexpected: rows"),
        (with_other(refused={"client-000009": "unusable"}), "wrong_tensors", "names clients that are not in it"),
        (with_other(uploaded={"client-000009": {"rows": torch.ones(2)}}), "wrong_tensors", "names clients"),
        (in_other_units, "wrong_shape", r"in units of 2\^-30"),
    ],
)
def test_another_sum_than_the_accepted_one_is_refused(
    partial: Callable[[], TrainingPartial], reason: str, detail: str
) -> None:
    with pytest.raises(UpdateRefusedError) as refused:
        read(partial())
    assert refused.value.reason == reason
    assert refused.match(detail)


def test_an_object_of_which_not_all_clients_were_accepted_is_refused() -> None:
    data = b"".join(folded(dict.fromkeys(CLIENTS, 1e-3)).encoded_parts())
    members = accepted_of(data, CLIENTS)
    del members[CLIENTS[1]]
    with pytest.raises(UpdateRefusedError, match="was not accepted of exactly the clients in it"):
        read_combined(io.BytesIO(data), members, START)
    with pytest.raises(UpdateRefusedError) as refused:
        read_combined(io.BytesIO(b"no partial"), accepted_of(b"no partial", CLIENTS), START)
    assert refused.value.reason == "malformed"


@pytest.mark.parametrize("where", ["cuda", "cpu"])
def test_what_is_summed_together_is_what_is_folded_one_by_one(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """To the byte, with a client near its bound, one beyond it, one that is not finite, and one that declares nonsense."""
    near = PLAN.cohort.max_update_norm / sum(t.numel() for t in START_MODEL.values() if t.is_floating_point()) ** 0.5
    changes = [1e-3, near * (1 - 1e-5), 1e6, float("nan"), -2e-3, 1e-4]
    stacked = {
        name: torch.stack([tensor + by if tensor.is_floating_point() else tensor for by in changes])
        for name, tensor in START_MODEL.items()
    }
    models = TrainedModels(stacked)
    updates = {
        client_id(index): TrainedUpdate(declared(images if images < 6 else 10**9), models, index, {})
        for index, images in enumerate(range(1, 7))
    }
    singly = TrainingPartial()
    for client, update in updates.items():
        singly.fold_trained({client: update}, START)
    monkeypatch.setattr(TrainedModels, "device", property(lambda _: torch.device(where)))
    together = TrainingPartial()
    checked_singly = 0

    def noted(tensors: Tensors, form: UpdateForm, bounds: NormBounds) -> CheckedUpdate:
        nonlocal checked_singly
        checked_singly += 1
        return check_in_memory(tensors, form, bounds)

    monkeypatch.setattr("fedface_learning.aggregation.training_partial.check_in_memory", noted)
    together.fold_trained(updates, START)
    assert checked_singly == 3
    assert b"".join(together.encoded_parts()) == b"".join(singly.encoded_parts())
    assert singly.refused == {client_id(2): "norm_exceeded", client_id(3): "not_finite", client_id(5): "wrong_image_count"}
    assert singly.folded == 3


def test_a_group_whose_training_broke_off_is_summed_client_by_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client's images are of another size, so each of the group trains alone."""
    plan = small_plan(delivery="combined", local_training={"steps": 1, "learning_rate": 0.05, "vectorised_clients": 3})
    trainer = LocalTrainer(initial_network(plan.model, 0))
    start = starting_point(plan, network_tensors(trainer.network))
    shape = (2, plan.model.channels, plan.model.height, plan.model.width)
    draws = torch.Generator().manual_seed(0)
    images = [torch.randint(256, shape, dtype=torch.uint8, generator=draws) for _ in range(2)]
    images.insert(1, torch.zeros(2, plan.model.channels, 5, 5, dtype=torch.uint8))
    rows = torch.eye(3, plan.model.embedding_size)
    trainees = [Trainee(CLIENTS[index], images[index], rows[index], place=index) for index in range(3)]

    def summed() -> TrainingPartial:
        partial = TrainingPartial()
        for group in trained_groups(trainer, trainees, TrainingRound(plan, 1)):
            trained_of = {client: made for client, made in group.items() if isinstance(made, TrainedUpdate)}
            if trained_of:
                partial.fold_trained(trained_of, start)
        return partial

    singly = summed()
    assert singly.folded == 2
    monkeypatch.setattr(TrainedModels, "device", property(lambda _: torch.device("cuda")))
    assert b"".join(summed().encoded_parts()) == b"".join(singly.encoded_parts())
