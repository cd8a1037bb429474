"""Pre-training by several processes: the steps of one, but for rounding, and equal weights in all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_learning.data import FaceDataset
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from fedface_learning.pretraining import PretrainPlan, PretrainProgress, pretrain
from fedface_learning.ranks import ALONE, Ranks
from fedface_learning.training_images import read_all_images
from support.ranks_in_threads import in_ranks

SETTINGS = {"epochs": 2, "batch_size": 14, "learning_rate": 0.05, "checkpoint_every": 3}  # 14 images: parts of 5, 5 and 4


class CountedDataset:
    """A data set that counts how often it is read."""

    def __init__(self, dataset: FaceDataset) -> None:
        self._dataset = dataset
        self.name = dataset.name
        self.identities = dataset.identities
        self.read = 0

    def images(self, identity: str) -> torch.Tensor:
        self.read += 1
        return self._dataset.images(identity)


def trained(plan: Plan, dataset: FaceDataset, settings: dict[str, Any], ranks: Ranks, **options: Any) -> bytes:
    network = initial_network(plan.model, 0)
    pretrain(network, dataset, dataset.identities[:12], PretrainPlan.model_validate(settings), ranks=ranks, **options)
    return encode_network(network)


@pytest.mark.parametrize("augmentation", ["plain", "strong"])
@pytest.mark.parametrize("count", [2, 3])
def test_they_take_the_steps_of_one_process(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset, augmentation: str, count: int
) -> None:
    plan = tiny_plan()
    settings = SETTINGS | {"augmentation": augmentation}
    told: list[PretrainProgress] = []
    alone = trained(plan, tiny_faces, settings, ALONE, on_progress=told.append)
    together: list[PretrainProgress] = []
    models = in_ranks(count, lambda ranks: trained(plan, tiny_faces, settings, ranks, on_progress=together.append))
    assert len(set(models)) == 1
    expected, _ = decode_tensors(alone)
    found, _ = decode_tensors(models[0])
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)
    assert [step.step for step in together] == [step.step for step in told], "one of them tells"
    assert [step.loss for step in together] == pytest.approx([step.loss for step in told], rel=1e-4)
    assert [step.accuracy for step in together] == pytest.approx([step.accuracy for step in told])


def test_batch_norm_keeps_equal_statistics_in_all_of_them(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    plan = tiny_plan(model={"architecture": "mobilefacenet", "widths": [4, 4, 8]})
    models = in_ranks(2, lambda ranks: trained(plan, tiny_faces, SETTINGS, ranks))
    assert len(set(models)) == 1
    found, _ = decode_tensors(models[0])
    expected, _ = decode_tensors(trained(plan, tiny_faces, SETTINGS, ALONE))
    means = [name for name in found if name.endswith("running_mean")]
    assert means
    assert any(not torch.equal(found[name], expected[name]) for name in means), "each normalises its own part"


def test_photographs_are_read_once_and_all_see_them(tiny_faces: FaceDataset) -> None:
    counted = CountedDataset(tiny_faces)
    people = tiny_faces.identities[:5]
    found = in_ranks(3, lambda ranks: read_all_images(counted, people, ranks=ranks))
    assert counted.read == len(people)
    expected = read_all_images(tiny_faces, people)
    for images in found:
        assert torch.equal(images.images_NCHW, expected.images_NCHW)
        assert torch.equal(images.labels_N, expected.labels_N)
    assert torch.equal(expected.images_NCHW, torch.cat([tiny_faces.images(identity) for identity in people]))


def test_any_number_of_them_goes_on_from_the_checkpoint_of_another(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset, tmp_path: Path
) -> None:
    class StoppedError(Exception):
        pass

    def stop(progress: PretrainProgress) -> None:
        if progress.step == 4:
            raise StoppedError

    plan = tiny_plan()
    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(StoppedError):
        trained(plan, tiny_faces, SETTINGS, ALONE, checkpoint=checkpoint, on_progress=stop)
    resumed = in_ranks(2, lambda ranks: trained(plan, tiny_faces, SETTINGS, ranks, checkpoint=checkpoint))
    found, _ = decode_tensors(resumed[0])
    expected, _ = decode_tensors(trained(plan, tiny_faces, SETTINGS, ALONE))
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)


def test_more_of_them_than_images_in_a_batch_are_refused(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    with pytest.raises(InvalidInputError, match="3 processes cannot share a batch of 2 images: start fewer, or raise"):
        in_ranks(3, lambda ranks: trained(tiny_plan(), tiny_faces, SETTINGS | {"batch_size": 2}, ranks))
