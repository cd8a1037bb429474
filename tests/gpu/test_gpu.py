"""On a GPU: results are equal where they must be, and near the CPU's elsewhere; and services train there."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from fedface_core.domain.device_kinds import DeviceKind
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from fedface_learning.client.local_training import TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update, training_updates
from fedface_learning.data import ImageSize
from fedface_learning.data.augmentation import augment
from fedface_learning.data.framing import Framing
from fedface_learning.device import prepare_device, set_up
from fedface_learning.evaluation.compare import PAIRS_PER_BLOCK, pair_scores
from fedface_learning.evaluation.faces import EmbeddedFaces, FaceFile, embed_faces
from fedface_learning.evaluation.search import search
from fedface_learning.evaluation.templates import ROWS_PER_BLOCK, TemplateRows, pool_templates
from fedface_learning.evaluation.verification import verify_pairs
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from fedface_learning.pretraining import PretrainPlan, PretrainProgress, pretrain
from fedface_learning.simulation.simulate import BOUNDS, simulate
from fedface_learning.strategies import STRATEGIES
from loadtest.gpu.equality import check_all
from loadtest.gpu.workloads import Noise, Size, plan_for, trainees_of
from support.in_process import Disorder, InProcess
from support.protocol_trees import save_face
from support.tiny_run import tiny_plan, write_faces

ANCHORED = {"name": "gaussian-negatives", "anchor": 5.0}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces"), identities=14)


def test_updates_and_scores_are_equal_where_they_must_be(device: DeviceKind) -> None:
    for size in (Size.tiny(), Size.full()):
        checks = check_all(size, device)
        assert [f"{check.what}: {check.found}" for check in checks if not check.holds] == []


@pytest.mark.parametrize(
    ("strategy", "at_once"),
    [
        *((strategy, at_once) for strategy in [*STRATEGIES, ANCHORED] for at_once in (1, 3)),
        *((bound, 1) for bound in BOUNDS if bound != "chained"),
    ],
)
def test_a_simulation_gives_equal_bytes_twice_and_is_near_that_of_the_cpu(
    device: DeviceKind, faces: Path, strategy: Any, at_once: int
) -> None:
    def plan(kind: DeviceKind) -> Plan:
        local = {"steps": 2, "learning_rate": 0.01, "vectorised_clients": at_once, "flip": True, "shift": 1}
        split = {"public": 4, "clients": 8, "test": 2}
        return tiny_plan(faces, strategy=strategy, split=split, local_training=local, compute={"device": kind})

    there = simulate(plan(device))
    assert simulate(plan(device)).model == there.model
    ours, _ = decode_tensors(there.model)
    cpus, _ = decode_tensors(simulate(plan("cpu")).model)
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, cpus[name], rtol=1e-3, atol=1e-4)


def test_recordings_that_were_dropped_leave_the_others_whole(device: DeviceKind) -> None:
    """A trainer keeps four; a client's bits must not depend on which it has had."""
    plan = plan_for(Size.tiny().network, 3, 3, device)

    def updates(trainer: LocalTrainer, images: int) -> list[bytes]:
        group = [replace(trainee, images_NCHW=trainee.images_NCHW[:images]) for trainee in trainees_of(plan)]
        made = [update for _, update in training_updates(trainer, group, TrainingRound(plan, 1))]
        return [update.data for update in made if isinstance(update, Update)]

    def new_trainer() -> LocalTrainer:
        return LocalTrainer(initial_network(plan.model, 0), prepare_device(plan.compute))

    trainer = new_trainer()
    for images in (2, 3, 4, 5, 6, 5, 2):
        found = updates(trainer, images)
        assert len(found) == 3
        assert found == updates(new_trainer(), images)
    # More recordings than there are streams, while the trainer keeps its own.
    other = new_trainer()
    for images in 7 * (2, 3, 4, 5, 6):
        updates(other, images)
    assert found == updates(trainer, images=2)


@pytest.mark.parametrize("strategy", ["fedface", ANCHORED], ids=str)
def test_the_services_make_the_model_of_the_simulation(device: DeviceKind, faces: Path, strategy: Any) -> None:
    local = {"steps": 2, "learning_rate": 0.01, "vectorised_clients": 3}
    plan = tiny_plan(faces, strategy=strategy, split={"clients": 7}, local_training=local, compute={"device": device})
    disorder = Disorder(1, reorder=True, duplicate=0.25, drop=0.15)
    run = InProcess(plan, disorder, kill_after=30).run()
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)


def test_images_are_changed_as_on_the_cpu(device: DeviceKind) -> None:
    plan = PretrainPlan.model_validate({"augmentation": "strong"}).augmentations
    images_NCHW = torch.randint(256, (32, 3, 24, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    for step in range(4):
        there_NCHW = augment(images_NCHW.to(device), 5, step, plan)
        difference = (there_NCHW.cpu().int() - augment(images_NCHW, 5, step, plan).int()).abs().max()
        assert int(difference) <= 1, "a fused multiplication may round one level away"


def test_published_protocols_score_as_on_the_cpu(device: DeviceKind, tmp_path: Path) -> None:
    """Images are embedded, templates pooled, pairs scored and probes searched on the device, more than fit in one block."""
    for number in range(40):
        save_face(tmp_path / f"{number}.png", number % 5, number)
    files = [FaceFile(tmp_path / f"{number}.png", missing=number == 7) for number in range(40)]
    draws = np.random.default_rng(0)
    first_P, second_P = draws.integers(0, 40, (2, PAIRS_PER_BLOCK + 10))
    scattered_ND = normalize(torch.randn(600, 512, generator=torch.Generator().manual_seed(0)))
    scattered = EmbeddedFaces(scattered_ND, np.arange(600) % 50 != 3, draws.random(600))
    frames = draws.integers(0, 600, 2 * ROWS_PER_BLOCK)
    rows = TemplateRows(frames, frames % 7, frames % 150, {number: number for number in range(150)})
    people_T = np.arange(150) % 60
    scored = []
    for kind in (device, "cpu"):
        there = set_up(kind, "float32")
        network = initial_network(tiny_plan(tmp_path).model, 0).to(there)
        framing = Framing(ImageSize.of(network.plan))
        faces = embed_faces(network, files, framing, flip=True, skip_missing=True, weigh_by_length=True)
        templates = pool_templates(replace(scattered, embeddings_ND=scattered_ND.to(there)), rows)
        assert {found.embeddings_ND.device.type for found in (faces, templates)} == {kind}
        found = search(templates, np.arange(50), np.arange(50, 150), people_T)
        listed_P = pair_scores(templates, first_P, second_P)
        scored.append((faces, templates, pair_scores(faces, first_P, second_P), listed_P, found))
    ours, cpus = scored
    for one, other in zip(ours[:2], cpus[:2], strict=True):
        torch.testing.assert_close(one.embeddings_ND.cpu(), other.embeddings_ND, rtol=0, atol=1e-4)
        assert np.array_equal(one.enrolled_N, other.enrolled_N)
    assert ours[0].weight_N is not None
    assert cpus[0].weight_N is not None
    np.testing.assert_allclose(ours[0].weight_N, cpus[0].weight_N, rtol=1e-3)
    np.testing.assert_allclose(ours[2], cpus[2], rtol=0, atol=1e-4)
    np.testing.assert_allclose(ours[3], cpus[3], rtol=0, atol=1e-6)
    assert ours[4].rank_n.tolist() == cpus[4].rank_n.tolist()
    np.testing.assert_allclose(ours[4].trials.positives.scores, cpus[4].trials.positives.scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours[4].trials.negatives.scores, cpus[4].trials.negatives.scores, rtol=0, atol=1e-6)


def test_all_pairs_are_counted_as_on_the_cpu(device: DeviceKind) -> None:
    """Each cosine is a quarter of a whole number here, so products are exact, and many scores are equal."""
    signs_ND = torch.randint(-1, 2, (1200, 8), generator=torch.Generator().manual_seed(0))
    embeddings_ND = 0.5 * signs_ND * (signs_ND.abs().cumsum(dim=1) <= 4)
    labels_N = torch.arange(1200) // 7
    ours = verify_pairs(embeddings_ND.to(device), labels_N.to(device), [1e-1, 1e-3])
    cpus = verify_pairs(embeddings_ND, labels_N, [1e-1, 1e-3])
    assert ours.cosines == cpus.cosines
    assert (ours.roc, ours.thresholds) == (cpus.roc, cpus.thresholds)
    assert ours.scores.mean_impostor_cosine == pytest.approx(cpus.scores.mean_impostor_cosine)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_a_pre_training_that_was_stopped_ends_with_the_bytes_of_one_that_was_not(
    device: DeviceKind, tmp_path: Path, precision: str
) -> None:
    if precision == "tf32" and device == "cpu":
        pytest.skip("a CPU has no TF32")
    plan = plan_for(Size.tiny().network, 2, 1, "cpu")
    faces = Noise(plan, 8)
    document = {"epochs": 2, "batch_size": 16, "checkpoint_every": 3, "device": device, "precision": precision}
    settings = PretrainPlan.model_validate(document)
    checkpoint = tmp_path / "checkpoint"

    class StoppedError(Exception):
        pass

    def stop(progress: PretrainProgress) -> None:
        if progress.step == 5:
            raise StoppedError

    whole = initial_network(plan.model, 0)
    pretrain(whole, faces, faces.identities, settings)
    with pytest.raises(StoppedError):
        pretrain(initial_network(plan.model, 0), faces, faces.identities, settings, checkpoint=checkpoint, on_progress=stop)
    resumed = initial_network(plan.model, 0)
    pretrain(resumed, faces, faces.identities, settings, checkpoint=checkpoint)
    assert encode_network(resumed) == encode_network(whole)


@pytest.mark.slow
def test_a_local_stack_with_a_gpu_trains_a_plan_for_it(device: DeviceKind, faces: Path, tmp_path: Path) -> None:
    from fedface_cli.api_client import ControlApi
    from fedface_stack.stack import LocalStack

    local = {"steps": 2, "learning_rate": 0.01, "vectorised_clients": 3}
    plan = tiny_plan(faces, split={"clients": 7}, local_training=local, compute={"device": device})
    with (
        LocalStack(tmp_path / "stack", client_workers=1, photographs=[faces], gpu=device == "cuda") as stack,
        ControlApi(stack.api_url) as api,
    ):
        run = api.start(api.create(plan).id)
        while run.phase not in (RunPhase.COMPLETED, RunPhase.FAILED):
            stack.check()
            time.sleep(0.2)
            run = api.run(run.id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)
