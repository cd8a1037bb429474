"""`fedface pretrain` in two processes that torchrun started: the weights of one process, and one message of an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from fedface_learning.formats.codec import decode_tensors
from support.small_plan_file import plan

__all__ = ["plan"]

ALONE = (sys.executable, "-P", "-m")
TORCHRUN = (*ALONE, "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2", "-m")


def pretrained(launcher: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [*launcher, "fedface_cli.main", "pretrain", *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, env=environment)


@pytest.mark.slow
def test_two_processes_make_the_weights_of_one_and_always_equal_bytes(plan: str, tmp_path: Path) -> None:
    models = []
    for name, launcher in (("alone", ALONE), ("together", TORCHRUN), ("again", TORCHRUN)):
        output = tmp_path / name
        ended = pretrained(launcher, plan, "--epochs", "4", "--batch-size", "5", "--output", str(output), "--json")
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["file"] == str(output), "one document, of one of them"
        models.append(output.read_bytes())
    assert models[1] == models[2]
    expected, _ = decode_tensors(models[0])
    found, _ = decode_tensors(models[1])
    for each, tensor in found.items():
        torch.testing.assert_close(tensor, expected[each], rtol=1e-4, atol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {"plan.toml", "alone", "together", "again"}


@pytest.mark.slow
def test_an_error_of_all_is_told_once(plan: str, tmp_path: Path) -> None:
    ended = pretrained(TORCHRUN, plan, "--batch-size", "1", "--output", str(tmp_path / "weights"))
    assert ended.returncode == 1
    assert ended.stderr.count("error: 2 processes cannot share a batch of 1 images: start fewer, or raise") == 1
    assert not (tmp_path / "weights").exists()
