"""Pre-training of an embedding network on the public identities by CosFace, with all images in one place.

Source: Wang et al., *CosFace: Large Margin Cosine Loss for Deep Face Recognition*, CVPR 2018.
Suffixes of tensor names: N images (of a batch, or of the whole set), K identities, D dimensions, C channels, H×W pixels.

The images of a step follow from the seed and the number of the step alone. So a checkpoint needs no state of a generator,
and a resumed pre-training ends with the bits of one that was never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import Self

import numpy as np
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
from fedface_learning.device import HOST, moved, on_host, room_for_images, set_up
from fedface_learning.formats.codec import decode_tensors, encode_tensors, sha256_hex
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.weights import load_tensors, network_tensors
from fedface_learning.objectives.losses import cosface
from fedface_learning.seeding import generator


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


def pretrain(
    network: EmbeddingNetwork,
    dataset: FaceDataset,
    identities: Sequence[str],
    plan: PretrainPlan,
    *,
    checkpoint: Path | None = None,
    on_progress: Callable[[PretrainProgress], None] | None = None,
) -> None:
    """Train ``network`` in place to tell ``identities`` apart, and leave it in evaluation mode, on the CPU.

    All images are written as uint8 (``n·C·H·W`` bytes) to an unnamed file in the folder of ``checkpoint``, or in the folder
    for temporary files; the system keeps it in memory as far as there is room. If ``checkpoint`` exists, training goes on
    from it. It is written every `PretrainPlan.checkpoint_every` steps and after the last step. ``on_progress`` is called
    after each step. `InvalidInputError` if there are fewer than two identities, if the checkpoint belongs to another
    pre-training, if the images cannot be written, or if the loss is not finite.
    """
    training = CosFaceTraining(network, dataset, identities, plan, folder=checkpoint.parent if checkpoint else None)
    if checkpoint is not None and checkpoint.exists():
        training.resume(checkpoint)
    while training.step < training.steps:
        progress = training.take_step()
        if checkpoint is not None and (training.step % plan.checkpoint_every == 0 or training.step == training.steps):
            training.save(checkpoint)
        if on_progress:
            on_progress(progress)
    network.to(HOST).eval()
    network.precision = "float32"


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


class CosFaceTraining:
    """A training with CosFace, step by step. A checkpoint holds network, head, momentum and the number of steps so far."""

    def __init__(
        self,
        network: EmbeddingNetwork,
        dataset: FaceDataset,
        identities: Sequence[str],
        plan: PretrainPlan,
        *,
        folder: Path | None = None,
        steps: int | None = None,
    ) -> None:
        """Read all images of ``identities`` into an unnamed file in ``folder``; ``network`` is trained in place.

        ``steps`` replaces the number of steps that the plan's epochs make.
        `InvalidInputError` if there are fewer than two identities, or if the file cannot be written.
        """
        self._device = set_up(plan.device, plan.precision)
        images_NCHW, labels_N = _read_images(dataset, identities, folder)
        # A GPU with room for all images gets them once. Else each batch is gathered by the processor, and goes there.
        resides = images_NCHW.nbytes <= room_for_images(self._device, 0)
        self._images_NCHW = moved(images_NCHW, self._device) if resides else images_NCHW
        self._labels_N = moved(labels_N, self._device)
        self._network = network.to(self._device)
        self._network.precision = plan.precision
        if self._device.type != CPU:
            self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._plan = plan
        # The rows of the head are in this order. The names stay out of the checkpoint.
        self._identities_sha256 = sha256_hex("".join(f"{name}\0" for name in identities).encode())
        self._head = CosFaceHead(len(identities), network.plan.embedding_size, plan).to(self._device)
        self._parameters = [*network.parameters(), *self._head.parameters()]
        self._optimiser = torch.optim.SGD(
            self._parameters,
            lr=plan.learning_rate,
            momentum=plan.momentum,
            weight_decay=plan.weight_decay,
            fused=True if self._device.type != CPU else None,
        )
        self._batches_in_epoch = steps_of_an_epoch(len(self._images_NCHW), plan)
        self.step = 0
        self.steps = plan.epochs * self._batches_in_epoch if steps is None else steps

    @property
    def images(self) -> int:
        """The number of images of all identities."""
        return len(self._labels_N)

    def class_embeddings(self) -> Tensor:
        """The head's rows at unit length (K, D), float32, in the order of the identities."""
        return functional.normalize(self._head.rows_KD.detach()).cpu()

    def take_step(self) -> PretrainProgress:
        """Take one step of SGD; the progress has the batch's loss and accuracy before it.

        `InvalidInputError` if the loss is not finite.
        """
        started = time.perf_counter()
        plan = self._plan
        chosen_N = _batch(self.images, self.step, self._batches_in_epoch, plan)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, plan)
        self._network.train()
        self._optimiser.zero_grad()
        there_N = chosen_N.to(self._images_NCHW.device)
        batch_NCHW = moved(self._images_NCHW[there_N], self._device)
        images_NCHW = augment(batch_NCHW, plan.seed, self.step, plan.augmentations)
        # The head is in float32: scale and margin need more digits than bfloat16 has.
        loss, accuracy = self._head(self._network(images_NCHW), self._labels_N[chosen_N.to(self._device)])
        torch.autograd.backward(loss)
        self._optimiser.step()
        self.step += 1
        if not math.isfinite(loss.item()):
            raise InvalidInputError(
                f"pre-training diverged at step {self.step}: the loss is {loss.item()}; "
                f"use a lower learning rate than {plan.learning_rate:g}"
            )
        speed = len(chosen_N) / (time.perf_counter() - started)  # a GPU has finished the step, as its loss is known
        return PretrainProgress(self.step, self.steps, loss.item(), accuracy.item(), speed)

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
            self._optimiser.state[parameter]["momentum_buffer"] = tensors[f"momentum.{index:04d}"].to(parameter, copy=True)
        self.step = int(metadata["step"])


def _read_images(dataset: FaceDataset, identities: Sequence[str], folder: Path | None) -> tuple[Tensor, Tensor]:
    """All images (N, C, H, W), uint8, mapped from an unnamed file in ``folder``, and their labels (N,), int64."""
    if len(identities) < 2:
        raise InvalidInputError(
            f"pre-training needs at least 2 public identities to tell apart, not {len(identities)}: raise split.public"
        )
    labels: list[Tensor] = []
    try:
        with TemporaryFile(dir=folder) as file:
            for label, identity in enumerate(identities):
                images_NCHW = dataset.images(identity).cpu().numpy()
                file.write(images_NCHW.tobytes())
                labels.append(torch.full((len(images_NCHW),), label))
            file.flush()
            labels_N = torch.cat(labels)
            # The mapping keeps the file until the tensor is gone.
            all_NCHW = np.memmap(file, np.uint8, mode="c", shape=(len(labels_N), *images_NCHW.shape[1:]))
    except OSError as error:
        raise InvalidInputError(f"the images cannot be written to {folder or gettempdir()}: {error.strerror}") from error
    return torch.from_numpy(all_NCHW), labels_N


def _batch(images: int, step: int, batches_in_epoch: int, plan: PretrainPlan) -> Tensor:
    """The numbers (int64) of the images of a step: a slice of the epoch's permutation, whose incomplete end is left out."""
    epoch, batch = divmod(step, batches_in_epoch)
    order_N = torch.randperm(images, generator=generator(plan.seed, "epoch", epoch))
    return order_N[batch * plan.batch_size : (batch + 1) * plan.batch_size]
