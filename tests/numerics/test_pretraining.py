"""Pre-training: the loss against its formula, and a run that was interrupted against one that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_learning.data import FaceDataset
from fedface_learning.evaluation.verification import evaluate
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.embedding import embed
from fedface_learning.models.weights import encode_network
from fedface_learning.pretraining import CosFaceHead, PretrainPlan, PretrainProgress, learning_rate, pretrain

PLAN = PretrainPlan(epochs=4, batch_size=16, learning_rate=0.05, checkpoint_every=3)  # 16 people × 6 images: 24 steps


class Interrupted(Exception):  # noqa: N818
    """Stops a pre-training in a test."""


@pytest.fixture
def network(tiny_plan: Callable[..., Plan]) -> Callable[[], EmbeddingNetwork]:
    return lambda: initial_network(tiny_plan().model, 0)


def test_the_loss_is_cosfaces_formula() -> None:
    plan = PretrainPlan(scale=8.0, margin=0.2)
    head = CosFaceHead(3, 4, plan)
    embeddings_ND = normalize(torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    labels_N = torch.tensor([0, 1, 2, 2, 0])
    losses = []
    for embedding_D, label in zip(embeddings_ND, labels_N, strict=True):
        cosines = [float(embedding_D @ row_D / row_D.norm()) for row_D in head.rows_KD.detach()]
        true = torch.tensor(8.0 * (cosines[label] - 0.2)).exp()
        others = sum(torch.tensor(8.0 * cosine).exp() for k, cosine in enumerate(cosines) if k != label)
        losses.append(-(true / (true + others)).log())
    loss, accuracy = head(embeddings_ND, labels_N)
    torch.testing.assert_close(loss, torch.stack(losses).mean())
    nearest_N = (embeddings_ND @ normalize(head.rows_KD).T).argmax(dim=1)
    assert accuracy.item() == pytest.approx((nearest_N == labels_N).float().mean().item())


def test_it_learns_to_tell_other_people_apart(network: Callable[[], EmbeddingNetwork], tiny_faces: FaceDataset) -> None:
    trained = network()
    people = tiny_faces.identities
    before = evaluate(trained, tiny_faces, people[16:], [0.1]).scores
    reports: list[PretrainProgress] = []
    plan = PretrainPlan(epochs=20, batch_size=16, learning_rate=0.05, scale=10, margin=0.1)
    pretrain(trained, tiny_faces, people[:16], plan, on_progress=reports.append)
    after = evaluate(trained, tiny_faces, people[16:], [0.1]).scores
    assert [progress.step for progress in reports] == list(range(1, 121))
    assert all(progress.steps == 120 and progress.images_per_second > 0 for progress in reports)
    assert reports[-1].loss < reports[0].loss / 2
    assert reports[-1].accuracy > 0.9
    assert after.mean_impostor_cosine < before.mean_impostor_cosine - 0.2


def test_pre_training_sees_what_the_augmentation_makes_of_the_images(
    network: Callable[[], EmbeddingNetwork], tiny_faces: FaceDataset
) -> None:
    plans = [
        PretrainPlan.model_validate(PLAN.model_dump() | {"epochs": 1} | more)
        for more in ({}, {"augmentation": "plain"}, {"augmentation": "strong"}, {"augmentation": "strong", "seed": 1})
    ]
    models = []
    for plan in plans:
        trained = network()
        pretrain(trained, tiny_faces, tiny_faces.identities[:8], plan)
        models.append(encode_network(trained))
    assert models[0] == models[1]
    assert len(set(models)) == 3


@pytest.mark.parametrize(("stop_after", "fused"), [(1, False), (3, False), (10, False), (10, True), (24, False)])
def test_a_resumed_run_ends_with_the_same_bits(
    network: Callable[[], EmbeddingNetwork],
    tiny_faces: FaceDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop_after: int,
    fused: bool,
) -> None:
    """A GPU's optimiser is fused, and takes each momentum for laid out as its parameter is: channels last."""
    sgd = torch.optim.SGD
    monkeypatch.setattr(torch.optim, "SGD", lambda *parts, **options: sgd(*parts, **options | {"fused": fused or None}))
    people = tiny_faces.identities[:16]
    checkpoint = tmp_path / "checkpoint.safetensors"
    uninterrupted = network()
    pretrain(uninterrupted, tiny_faces, people, PLAN)

    def stop(progress: PretrainProgress) -> None:
        if progress.step == stop_after:
            raise Interrupted

    with pytest.raises(Interrupted):
        pretrain(network(), tiny_faces, people, PLAN, checkpoint=checkpoint, on_progress=stop)
    reports: list[PretrainProgress] = []
    resumed = network()
    pretrain(resumed, tiny_faces, people, PLAN, checkpoint=checkpoint, on_progress=reports.append)
    assert len(reports) == 24 - (stop_after if stop_after == 24 else stop_after - stop_after % 3)
    assert encode_network(resumed) == encode_network(uninterrupted)


def test_a_checkpoint_of_another_pre_training_is_refused(
    network: Callable[[], EmbeddingNetwork], tiny_faces: FaceDataset, tmp_path: Path
) -> None:
    people = tiny_faces.identities
    checkpoint = tmp_path / "checkpoint.safetensors"
    short = PLAN.model_copy(update={"epochs": 1})
    pretrain(network(), tiny_faces, people[:8], short, checkpoint=checkpoint)
    with pytest.raises(InvalidInputError, match=r"checkpoint.safetensors belongs to .* another epochs, momentum"):
        pretrain(
            network(), tiny_faces, people[:8], short.model_copy(update={"epochs": 2, "momentum": 0.5}), checkpoint=checkpoint
        )
    strong = PretrainPlan.model_validate(short.model_dump() | {"augmentation": "strong"})
    with pytest.raises(InvalidInputError, match=r"belongs to a pre-training with another augmentation;"):
        pretrain(network(), tiny_faces, people[:8], strong, checkpoint=checkpoint)
    pretrain(network(), tiny_faces, people[:8], strong, checkpoint=tmp_path / "strong")
    with pytest.raises(InvalidInputError, match=r"belongs to a pre-training with another augmentation;"):
        pretrain(network(), tiny_faces, people[:8], short, checkpoint=tmp_path / "strong")
    with pytest.raises(InvalidInputError, match=r"checkpoint.safetensors was trained on 8 identities, not 9"):
        pretrain(network(), tiny_faces, people[:9], short, checkpoint=checkpoint)
    with pytest.raises(InvalidInputError, match=r"checkpoint.safetensors was trained on other identities: the data set or"):
        pretrain(network(), tiny_faces, people[1:9], short, checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    with pytest.raises(InvalidInputError, match=r"checkpoint .*checkpoint.safetensors: not a whole safetensors file"):
        pretrain(network(), tiny_faces, people[:8], short, checkpoint=checkpoint)


def test_one_identity_cannot_be_told_apart(network: Callable[[], EmbeddingNetwork], tiny_faces: FaceDataset) -> None:
    with pytest.raises(InvalidInputError, match=r"at least 2 public identities .* not 1: raise split.public"):
        pretrain(network(), tiny_faces, tiny_faces.identities[:1], PLAN)


def test_images_that_cannot_be_written_say_where(
    network: Callable[[], EmbeddingNetwork], tiny_faces: FaceDataset, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=r"the images cannot be written to .*/nowhere: No such file or directory"):
        pretrain(network(), tiny_faces, tiny_faces.identities[:8], PLAN, checkpoint=tmp_path / "nowhere" / "checkpoint")


def test_a_run_that_diverges_says_so(network: Callable[[], EmbeddingNetwork], tiny_faces: FaceDataset) -> None:
    with pytest.raises(InvalidInputError, match=r"diverged at step \d+: .* lower learning rate than 1e\+30"):
        pretrain(network(), tiny_faces, tiny_faces.identities[:8], PLAN.model_copy(update={"learning_rate": 1e30}))


def test_the_one_cycle_rises_to_its_peak_and_falls_to_nothing() -> None:
    rates = [learning_rate(step, 1000, PretrainPlan(learning_rate=0.2)) for step in range(1000)]
    peak = rates.index(max(rates))
    assert 298 <= peak <= 301
    assert max(rates) == pytest.approx(0.2, rel=0.01)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 1e-5


def test_the_step_schedule_falls_twice() -> None:
    rates = [learning_rate(step, 8, PretrainPlan(learning_rate=0.2, schedule="step")) for step in range(8)]
    assert rates == pytest.approx([0.2] * 4 + [0.02] * 2 + [0.002] * 2)


def test_without_flip_mirrored_people_are_never_seen(
    network: Callable[[], EmbeddingNetwork], tiny_faces: FaceDataset
) -> None:
    plan = PLAN.model_copy(update={"epochs": 1})
    trained = []
    for flip in (False, True):
        trained.append(network())
        pretrain(trained[-1], tiny_faces, tiny_faces.identities[:8], plan.model_copy(update={"flip": flip}))
    assert encode_network(trained[0]) != encode_network(trained[1])


def test_in_mixed_precision_it_learns_as_in_float32_and_leaves_a_float32_network(
    network: Callable[[], EmbeddingNetwork], tiny_faces: FaceDataset
) -> None:
    losses: dict[str, list[float]] = {}
    for precision in ("float32", "bfloat16"):
        trained = network()
        reports: list[PretrainProgress] = []
        plan = PretrainPlan.model_validate(PLAN.model_dump() | {"epochs": 2, "precision": precision})
        pretrain(trained, tiny_faces, tiny_faces.identities[:16], plan, on_progress=reports.append)
        losses[precision] = [progress.loss for progress in reports]
        assert trained.precision == "float32"
        assert {parameter.dtype for parameter in trained.parameters()} == {torch.float32}
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)


def test_features_in_bfloat16_are_near_those_in_float32(
    network: Callable[[], EmbeddingNetwork], tiny_faces: FaceDataset
) -> None:
    exact = network()
    images_NCHW = tiny_faces.images(tiny_faces.identities[0])
    expected_ND = embed(exact, images_NCHW)
    exact.precision = "bfloat16"
    found_ND = embed(exact, images_NCHW)
    assert found_ND.dtype is torch.float32
    assert not torch.equal(found_ND, expected_ND)
    torch.testing.assert_close(found_ND, expected_ND, rtol=0, atol=0.03)
