"""Pre-training of an embedding network on the public identities by CosFace, with all images in one place.

Source: Wang et al., *CosFace: Large Margin Cosine Loss for Deep Face Recognition*, CVPR 2018.
Suffixes of tensor names: N images (of a batch, or of the whole set), K identities, D dimensions, C channels, H×W pixels.

The images of a step follow from the seed and the number of the step alone. So a checkpoint needs no state of a generator,
and a resumed pre-training ends with the bits of one that was never stopped.

Several processes may train together (`ranks.py`), each on its part of every batch. The sum of their gradients is that of the
whole batch, so they make the steps of one process, but for rounding. BatchNorm takes the statistics of each part.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from fedface_core.domain.device_kinds import CPU, DeviceKind, Precision
from fedface_core.domain.errors import DamagedObjectError, InvalidInputError
from fedface_core.domain.plan.compute import complaint_about
from fedface_core.domain.plan.cosface import CosFacePlan
from fedface_core.domain.plan.one_cycle import one_cycle_rate
from fedface_core.domain.plan.part import PositiveInt, Seed
from fedface_core.files.whole_file import write_whole
from fedface_learning.data import FaceDataset
from fedface_learning.data.augmentation import augment
from fedface_learning.device import HOST, ComingNumbers, moved, on_host, require_device, room_for_images, set_up
from fedface_learning.formats.codec import decode_tensors, encode_tensors, sha256_hex
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.weights import load_tensors, network_tensors
from fedface_learning.objectives.losses import cosface
from fedface_learning.ranks import ALONE, Ranks
from fedface_learning.seeding import generator
from fedface_learning.training_images import LabelledImages, OnProgress, read_all_images


class PretrainPlan(CosFacePlan):
    """The options of a pre-training: those of CosFace, the seed, what computes it, and how often a checkpoint is written."""

    seed: Seed = 0
    checkpoint_every: PositiveInt = Field(default=200, description="Steps from one checkpoint to the next.")
    device: DeviceKind = Field(
        default=CPU, exclude_if=lambda device: device == CPU, description="The kind of device that it is computed on."
    )
    precision: Precision = Field(
        default="float32",
        exclude_if=lambda precision: precision == "float32",
        description="How products are computed: `bfloat16` is mixed precision, with weights and sums in float32.",
    )

    @model_validator(mode="after")
    def _device_has_the_precision(self) -> Self:
        complaint = complaint_about(self.device, self.precision)
        if complaint is not None:
            raise ValueError(complaint)
        return self


@dataclass(frozen=True)
class PretrainProgress:
    """The progress of a pre-training after a step."""

    step: int
    """The number of steps so far."""
    steps: int
    """The number of steps of the whole pre-training."""
    loss: float
    """CosFace's loss of the batch, before the step."""
    accuracy: float
    """The share of the batch whose largest cosine is that of the right identity, without margin, before the step."""
    images_per_second: float
    """Since the step before; of all processes that train together."""


def pretrain(
    network: EmbeddingNetwork,
    dataset: FaceDataset,
    identities: Sequence[str],
    plan: PretrainPlan,
    *,
    checkpoint: Path | None = None,
    workers: int = 1,
    ranks: Ranks = ALONE,
    on_reading: OnProgress | None = None,
    on_progress: Callable[[PretrainProgress], None] | None = None,
) -> None:
    """Train ``network`` in place to tell ``identities`` apart, and leave it in evaluation mode, on the CPU.

    All images are read first, by so many ``workers``, into an unnamed file in the folder of ``checkpoint``, or in the folder
    for temporary files (`read_all_images`). If ``checkpoint`` exists, training goes on from it. It is written every
    `PretrainPlan.checkpoint_every` steps and after the last step. ``on_reading`` is called after each identity, and
    ``on_progress`` after each step, while the next one has begun. Of several ``ranks``, which must be given equal
    arguments, the first one alone writes and calls. `InvalidInputError` if there are fewer than two identities, if there are
    more ranks than GPUs or than images in a batch, if the checkpoint belongs to another pre-training, if the images cannot
    be written, or if the loss is not finite.
    """
    require_device(plan.device)
    ranks.take_device(plan.device)
    _require_two(identities)
    folder = checkpoint.parent if checkpoint else None
    images = read_all_images(dataset, identities, folder=folder, workers=workers, ranks=ranks, on_progress=on_reading)
    training = CosFaceTraining(network, images, plan, ranks=ranks)
    if checkpoint is not None and checkpoint.exists():
        training.resume(checkpoint)
    shown = _Progress(training.steps, on_progress if ranks.is_first else None)
    step_before: TakenStep | None = None
    while training.step < training.steps:
        step = training.take_step()
        if step_before is not None:  # a GPU is at the next step, and has not been waited for
            shown.show(step_before)
        step_before = step
        if checkpoint is not None and (step.number % plan.checkpoint_every == 0 or step.number == training.steps):
            step.figures()  # a training that has diverged leaves no checkpoint
            if ranks.is_first:
                training.save(checkpoint)
    if step_before is not None:
        shown.show(step_before)
    network.to(HOST).eval()
    network.precision = "float32"


class _Progress:
    """Tells of each step when its figures are there, and how fast it was."""

    def __init__(self, steps: int, on_progress: Callable[[PretrainProgress], None] | None) -> None:
        self._steps = steps
        self._on_progress = on_progress
        self._moment = time.perf_counter()

    def show(self, step: TakenStep) -> None:
        loss, accuracy = step.figures()
        seconds = step.ended() - self._moment
        self._moment = step.ended()
        if self._on_progress:
            self._on_progress(PretrainProgress(step.number, self._steps, loss, accuracy, step.images / seconds))


def learning_rate(step: int, steps: int, plan: PretrainPlan) -> float:
    """The learning rate of ``step`` (0 to ``steps`` − 1) by the plan's schedule, which `CosFacePlan` describes."""
    share_done = (step + 0.5) / steps
    if plan.schedule == "step":
        return plan.learning_rate * (1.0 if share_done < 0.5 else 0.1 if share_done < 0.75 else 0.01)
    return one_cycle_rate(plan.learning_rate, share_done)


def steps_of_an_epoch(images: int, plan: PretrainPlan) -> int:
    """How many whole batches ``images`` images make; one at least, of fewer images than a batch if need be."""
    return max(1, images // plan.batch_size)


class CosFaceHead(nn.Module):
    """The classification layer of CosFace: a weight row for each identity, drawn by the plan's seed."""

    def __init__(self, identities: int, embedding_size: int, plan: PretrainPlan) -> None:
        super().__init__()
        self._plan = plan
        self.rows_KD = nn.Parameter(torch.randn(identities, embedding_size, generator=generator(plan.seed, "head")) * 0.1)

    def forward(self, embeddings_ND: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor]:
        """CosFace's loss of unit embeddings, and the accuracy: the share of images nearest to their own row. Both scalars.

        ``labels_N`` (int64) are the identities' numbers, 0 to K − 1.
        """
        cosines_NK = embeddings_ND @ functional.normalize(self.rows_KD).T
        loss = cosface(cosines_NK, labels_N, scale=self._plan.scale, margin=self._plan.margin)
        return loss, (cosines_NK.argmax(dim=1) == labels_N).float().mean()


@dataclass(frozen=True)
class TakenStep:
    """A step that a GPU may still be at."""

    number: int
    """How many steps have been taken with it."""
    images: int
    """How many images it saw."""
    learning_rate: float
    _figures: ComingNumbers

    def figures(self) -> tuple[float, float]:
        """CosFace's loss and the accuracy, both of the whole batch before the step. It waits for them.

        `InvalidInputError` if the loss is not finite.
        """
        loss, accuracy = self._figures.read()
        if not math.isfinite(loss):
            raise InvalidInputError(
                f"pre-training diverged at step {self.number}: the loss is {loss}; "
                f"use a lower learning rate than {self.learning_rate:g}"
            )
        return loss, accuracy

    def ended(self) -> float:
        """When its figures were here (`time.perf_counter`). It waits for them."""
        return self._figures.came()


class CosFaceTraining:
    """A training with CosFace, step by step. A checkpoint holds network, head, momentum and the number of steps so far."""

    def __init__(
        self,
        network: EmbeddingNetwork,
        images: LabelledImages,
        plan: PretrainPlan,
        *,
        ranks: Ranks = ALONE,
        steps: int | None = None,
    ) -> None:
        """``network`` is trained in place on all ``images``, with the other ``ranks``, whose networks have equal weights.

        ``steps`` replaces the number of steps that the plan's epochs make.
        `InvalidInputError` if there are fewer than two identities, or a batch has fewer images than there are ranks.
        """
        _require_two(images.identities)
        self._device = set_up(plan.device, plan.precision)
        # A GPU with room for all images gets them once. Else each batch is gathered by the processor, and goes there.
        resides = images.images_NCHW.nbytes <= room_for_images(self._device, 0)
        self._images_NCHW = moved(images.images_NCHW, self._device) if resides else images.images_NCHW
        self._labels_N = moved(images.labels_N, self._device)
        self._network = network.to(self._device)
        self._network.precision = plan.precision
        if self._device.type != CPU:
            self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._plan = plan
        # The rows of the head are in this order. The names stay out of the checkpoint.
        self._identities_sha256 = sha256_hex("".join(f"{name}\0" for name in images.identities).encode())
        self._head = CosFaceHead(len(images.identities), network.plan.embedding_size, plan).to(self._device)
        self._parameters = [*network.parameters(), *self._head.parameters()]
        self._optimiser = torch.optim.SGD(
            self._parameters,
            lr=plan.learning_rate,
            momentum=plan.momentum,
            weight_decay=plan.weight_decay,
            fused=True if self._device.type != CPU else None,
        )
        self._batches_in_epoch = steps_of_an_epoch(len(self._images_NCHW), plan)
        self._ranks = ranks
        in_a_step = min(plan.batch_size, self.images)
        if in_a_step < ranks.count:
            raise InvalidInputError(
                f"{ranks.count} processes cannot share a batch of {in_a_step} images: start fewer, or raise batch_size"
            )
        self._statistics = [*_batch_statistics(network)]
        self.step = 0
        self.steps = plan.epochs * self._batches_in_epoch if steps is None else steps

    @property
    def images(self) -> int:
        """The number of images of all identities."""
        return len(self._labels_N)

    def class_embeddings(self) -> Tensor:
        """The head's rows at unit length (K, D), float32, in the order of the identities."""
        return functional.normalize(self._head.rows_KD.detach()).cpu()

    def take_step(self) -> TakenStep:
        """Take one step of SGD. A GPU may still be at it when this returns."""
        plan = self._plan
        chosen_N = _batch(self.images, self.step, self._batches_in_epoch, plan)
        part = self._ranks.part(len(chosen_N))
        own_N = chosen_N[part]
        share = len(own_N) / len(chosen_N)
        rate = learning_rate(self.step, self.steps, plan)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._network.train()
        self._optimiser.zero_grad()
        batch_NCHW = moved(self._images_NCHW[moved(own_N, self._images_NCHW.device)], self._device)
        images_NCHW = augment(batch_NCHW, plan.seed, self.step, plan.augmentations, first=part.start, batch=len(chosen_N))
        # The head is in float32: scale and margin need more digits than bfloat16 has.
        loss, accuracy = self._head(self._network(images_NCHW), self._labels_N[moved(own_N, self._device)])
        torch.autograd.backward(loss, torch.full_like(loss, share))
        figures_2 = torch.stack([loss.detach(), accuracy]) * share
        self._add_up(share, figures_2)
        self._optimiser.step()
        self.step += 1
        return TakenStep(self.step, len(chosen_N), plan.learning_rate, ComingNumbers(figures_2))

    @torch.no_grad()
    def _add_up(self, share: float, figures_2: Tensor) -> None:
        """Make the gradients of this rank's part of the batch, its statistics and its figures those of the whole batch."""
        for statistic in self._statistics:
            statistic.mul_(share)
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._ranks.add_up([*gradients, *self._statistics, figures_2])

    def save(self, path: Path) -> None:
        """Write a checkpoint to ``path``. A crash leaves the checkpoint before it whole."""
        tensors = {f"network.{name}": tensor for name, tensor in network_tensors(self._network).items()}
        tensors["head"] = self._head.rows_KD.detach()
        for index, parameter in enumerate(self._parameters):
            tensors[f"momentum.{index:04d}"] = self._optimiser.state[parameter]["momentum_buffer"].contiguous()
        metadata = {"step": self.step, "plan": self._plan.model_dump(), "identities_sha256": self._identities_sha256}
        write_whole(path, encode_tensors(on_host(tensors), metadata))

    @torch.no_grad()
    def resume(self, path: Path) -> None:
        """Go on from the checkpoint at ``path``.

        `InvalidInputError` if it is damaged, or was written with another plan or network, or for other identities.
        """
        try:
            tensors, metadata = decode_tensors(path.read_bytes())
        except DamagedObjectError as error:
            raise InvalidInputError(f"checkpoint {path}: {error}") from None
        plan = self._plan.model_dump()
        written = metadata.get("plan", {})
        changed = [name for name in written | plan if written.get(name) != plan.get(name)]  # each may lack a default
        if changed:
            raise InvalidInputError(
                f"checkpoint {path} belongs to a pre-training with another {', '.join(changed)}; "
                "use the same options, or another checkpoint file"
            )
        weights = {name.removeprefix("network."): tensor for name, tensor in tensors.items() if name.startswith("network.")}
        load_tensors(self._network, weights, f"checkpoint {path}")
        if tensors["head"].shape != self._head.rows_KD.shape:
            raise InvalidInputError(
                f"checkpoint {path} was trained on {len(tensors['head'])} identities, not {len(self._head.rows_KD)}"
            )
        # Checkpoints of older versions do not say whose they are.
        if metadata.get("identities_sha256", self._identities_sha256) != self._identities_sha256:
            raise InvalidInputError(
                f"checkpoint {path} was trained on other identities: the data set or its split has changed since; "
                "put it back as it was, or remove the checkpoint to begin anew"
            )
        self._head.rows_KD.copy_(tensors["head"])
        for index, parameter in enumerate(self._parameters):
            momentum = torch.empty_like(parameter)  # laid out like the parameter, which a fused optimiser takes for granted
            self._optimiser.state[parameter]["momentum_buffer"] = momentum.copy_(tensors[f"momentum.{index:04d}"])
        self.step = int(metadata["step"])


def _require_two(identities: Sequence[str]) -> None:
    if len(identities) < 2:
        raise InvalidInputError(
            f"pre-training needs at least 2 public identities to tell apart, not {len(identities)}: raise split.public"
        )


def _batch_statistics(network: nn.Module) -> Iterator[Tensor]:
    """What BatchNorm keeps of the batches that it has seen, but for their number, which is equal in all ranks."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            yield module.running_mean
            yield module.running_var


def _batch(images: int, step: int, batches_in_epoch: int, plan: PretrainPlan) -> Tensor:
    """The numbers (int64) of the images of a step: a slice of the epoch's permutation, whose incomplete end is left out."""
    epoch, batch = divmod(step, batches_in_epoch)
    order_N = torch.randperm(images, generator=generator(plan.seed, "epoch", epoch))
    return order_N[batch * plan.batch_size : (batch + 1) * plan.batch_size]
