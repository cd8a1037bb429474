"""A workload is read back as it was written."""

from __future__ import annotations

from pathlib import Path

import torch

from fedface_core.domain.plan import Plan
from loadtest.bare.workload import read_workload, write_workload
from support.small_networks import TINY
from support.small_workload import small_workload


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    plan, _, workload = small_workload(TINY)
    write_workload(workload, tmp_path / "workload")
    read = read_workload(tmp_path / "workload")
    assert (read.network, read.local, read.spreadout) == (workload.network, workload.local, workload.spreadout)
    assert read.plan == workload.plan
    assert Plan.model_validate_json(read.plan) == plan
    assert torch.equal(read.images_CNCHW, workload.images_CNCHW)
    assert torch.equal(read.class_embeddings_CD, workload.class_embeddings_CD)
    assert read.initial.keys() == workload.initial.keys()
    assert all(torch.equal(tensor, workload.initial[name]) for name, tensor in read.initial.items())
