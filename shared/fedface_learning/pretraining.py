"""Pre-training an embedding network on the public identities, with all images in one place: CosFace.

Source: Wang et al., *CosFace: Large Margin Cosine Loss for Deep Face Recognition*, CVPR 2018.
Shapes: N images of a batch, K identities, D dimensions, C×H×W pixels.

The images of a step follow from the seed and the step's number alone, so a checkpoint needs no generator's state, and a
resumed run ends with the same bits as one that was never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fedface_core.domain.errors import DamagedObjectError, InvalidInputError
from fedface_core.domain.plan.cosface import CosFacePlan
from fedface_core.domain.plan.part import PositiveInt
from fedface_learning.data import FaceDataset
from fedface_learning.data.augmentation import augment
from fedface_learning.formats.codec import decode_tensors, encode_tensors
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.weights import load_tensors, network_tensors
from fedface_learning.objectives.losses import cosface
from fedface_learning.seeding import generator


class PretrainPlan(CosFacePlan):
    """How to pre-train."""

    seed: Annotated[int, Field(ge=0)] = 0
    checkpoint_every: PositiveInt = Field(default=200, description="Steps from one checkpoint to the next.")


@dataclass(frozen=True)
class PretrainProgress:
    """Where pre-training stands after a step."""

    step: int
    steps: int
    loss: float
    accuracy: float  # of the batch, margin apart
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
    """Train ``network`` in place to tell ``identities`` apart.

    All images are laid, as uint8, ``n·C·H·W`` bytes, in an unnamed file beside the checkpoint, which the system keeps in
    memory as far as there is room. Where ``checkpoint`` is a file, training goes on from it; it is written every
    `PretrainPlan.checkpoint_every` steps and at the end. `InvalidInputError` where there is nothing to tell apart, or where
    the checkpoint belongs to another pre-training.
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
    network.eval()


def learning_rate(step: int, steps: int, plan: PretrainPlan) -> float:
    """The schedule's rate for step 0…``steps`` − 1."""
    done = (step + 0.5) / steps
    if plan.schedule == "step":
        return plan.learning_rate * (1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01)
    if done < 0.3:
        return plan.learning_rate * done / 0.3
    return plan.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - 0.3) / 0.7))


class CosFaceHead(nn.Module):
    """One weight row for each identity; ``forward`` gives the loss and the share of images nearest to their own row."""

    def __init__(self, identities: int, embedding_size: int, plan: PretrainPlan) -> None:
        super().__init__()
        self._plan = plan
        self.rows_KD = nn.Parameter(torch.randn(identities, embedding_size, generator=generator(plan.seed, "head")) * 0.1)

    def forward(self, embeddings_ND: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor]:
        """CosFace's loss."""
        cosines_NK = embeddings_ND @ functional.normalize(self.rows_KD).T
        loss = cosface(cosines_NK, labels_N, scale=self._plan.scale, margin=self._plan.margin)
        return loss, (cosines_NK.argmax(dim=1) == labels_N).float().mean()


class CosFaceTraining:
    """The training of ``network``, in place, step by step. A checkpoint holds network, head, momentum and step."""

    def __init__(
        self,
        network: EmbeddingNetwork,
        dataset: FaceDataset,
        identities: Sequence[str],
        plan: PretrainPlan,
        *,
        folder: Path | None = None,
    ) -> None:
        self._images_NCHW, self._labels_N = _all_images(dataset, identities, folder)
        self._network, self._plan = network, plan
        self._head = CosFaceHead(len(identities), network.plan.embedding_size, plan)
        self._parameters = [*network.parameters(), *self._head.parameters()]
        self._optimiser = torch.optim.SGD(
            self._parameters, lr=plan.learning_rate, momentum=plan.momentum, weight_decay=plan.weight_decay
        )
        self._batches_in_epoch = max(1, len(self._images_NCHW) // plan.batch_size)
        self.step = 0
        self.steps = plan.epochs * self._batches_in_epoch

    @property
    def images(self) -> int:
        """How many there are to train on."""
        return len(self._labels_N)

    def class_embeddings(self) -> Tensor:
        """The head's rows at unit length (K, D), in the order of the identities."""
        return functional.normalize(self._head.rows_KD.detach())

    def take_step(self) -> PretrainProgress:
        """One step of SGD; loss and accuracy are those before it. `InvalidInputError` where the loss is not finite."""
        started, plan = time.perf_counter(), self._plan
        chosen_N = _batch(self.images, self.step, self._batches_in_epoch, plan)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, plan)
        self._network.train()
        self._optimiser.zero_grad()
        images_NCHW = augment(self._images_NCHW[chosen_N], plan.seed, self.step, flip=plan.flip, shift=plan.shift)
        loss, accuracy = self._head(self._network(images_NCHW), self._labels_N[chosen_N])
        torch.autograd.backward(loss)
        self._optimiser.step()
        self.step += 1
        if not math.isfinite(loss.item()):
            raise InvalidInputError(
                f"pre-training diverged at step {self.step}: the loss is {loss.item()}; "
                f"use a lower learning rate than {plan.learning_rate:g}"
            )
        speed = len(chosen_N) / (time.perf_counter() - started)
        return PretrainProgress(self.step, self.steps, loss.item(), accuracy.item(), speed)

    def save(self, path: Path) -> None:
        """Write the checkpoint beside itself, then move it into place, so that a crash leaves the last whole one."""
        tensors = {f"network.{name}": tensor for name, tensor in network_tensors(self._network).items()}
        tensors["head"] = self._head.rows_KD.detach()
        for index, parameter in enumerate(self._parameters):
            tensors[f"momentum.{index:04d}"] = self._optimiser.state[parameter]["momentum_buffer"]
        written = path.with_name(path.name + ".part")
        written.write_bytes(encode_tensors(tensors, {"step": self.step, "plan": self._plan.model_dump()}))
        written.replace(path)

    @torch.no_grad()
    def resume(self, path: Path) -> None:
        """Take up a checkpoint of the same plan, network and identities."""
        try:
            tensors, metadata = decode_tensors(path.read_bytes())
        except DamagedObjectError as error:
            raise InvalidInputError(f"checkpoint {path}: {error}") from None
        ours = self._plan.model_dump()
        changed = [name for name in ours if metadata.get("plan", {}).get(name) != ours[name]]
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
        self._head.rows_KD.copy_(tensors["head"])
        for index, parameter in enumerate(self._parameters):
            self._optimiser.state[parameter]["momentum_buffer"] = tensors[f"momentum.{index:04d}"].clone()
        self.step = int(metadata["step"])


def _all_images(dataset: FaceDataset, identities: Sequence[str], folder: Path | None) -> tuple[Tensor, Tensor]:
    if len(identities) < 2:
        raise InvalidInputError(
            f"pre-training needs at least 2 public identities to tell apart, not {len(identities)}: raise split.public"
        )
    labels: list[Tensor] = []
    try:
        with TemporaryFile(dir=folder) as file:
            for label, identity in enumerate(identities):
                images_NCHW = dataset.images(identity).numpy()
                file.write(images_NCHW.tobytes())
                labels.append(torch.full((len(images_NCHW),), label))
            file.flush()
            labels_N = torch.cat(labels)
            # Mapped, the file lives on until the tensor is gone.
            all_NCHW = np.memmap(file, np.uint8, mode="c", shape=(len(labels_N), *images_NCHW.shape[1:]))
    except OSError as error:
        raise InvalidInputError(f"the images cannot be laid in {folder or gettempdir()}: {error.strerror}") from error
    return torch.from_numpy(all_NCHW), labels_N


def _batch(images: int, step: int, batches_in_epoch: int, plan: PretrainPlan) -> Tensor:
    """The images of a step: a slice of its epoch's permutation. What does not fill the epoch's last batch is left out."""
    epoch, slot = divmod(step, batches_in_epoch)
    order_N = torch.randperm(images, generator=generator(plan.seed, "epoch", epoch))
    return order_N[slot * plan.batch_size : (slot + 1) * plan.batch_size]
