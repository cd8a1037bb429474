"""The part of a plan about computing: the kind of device that clients and evaluator compute on, and the precision there."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from fedface_core.domain.device_kinds import CPU, DeviceKind, Precision
from fedface_core.domain.plan.part import PlanPart


def complaint_about(device: DeviceKind, precision: Precision) -> str | None:
    """What is wrong with computing in this precision on this kind of device; None if nothing is."""
    if precision == "tf32" and device == CPU:
        return "precision is 'tf32', which only a GPU has: set device to 'cuda', or precision to 'float32'"
    return None


class ComputePlan(PlanPart):
    """What clients and evaluator compute with. Results differ in rounding between devices, between kinds of GPU, and between
    precisions. On one kind of CPU two runs of a plan are byte-identical, and on one kind of GPU they are meant to be.
    """

    device: DeviceKind = Field(
        default=CPU,
        description="The kind of device on which clients enrol and train, and models are scored. Only workers of this kind "
        "get these tasks. The aggregator computes on the CPU.",
    )
    precision: Precision = Field(
        default="float32",
        description="How products are computed. `tf32`: faster on a GPU, with a relative error near 1e-3. `bfloat16` is for "
        "pre-training and evaluation alone, where options of the command give it: a run refuses it.",
    )

    @model_validator(mode="after")
    def _device_has_the_precision(self) -> Self:
        complaint = complaint_about(self.device, self.precision)
        if complaint is not None:
            raise ValueError(complaint)
        if self.precision == "bfloat16":
            raise ValueError(
                "precision is 'bfloat16', in which small updates of clients are lost: it is for pre-training and evaluation "
                "(fedface pretrain --precision bfloat16); set it to 'float32' or, on a GPU, 'tf32'"
            )
        return self


def is_default(compute: ComputePlan) -> bool:
    """Whether it is the default. That is left out of the JSON, so that plans for the CPU keep their digests."""
    return compute == ComputePlan()
