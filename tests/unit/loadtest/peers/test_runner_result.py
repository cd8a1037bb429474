"""A runner's result is read back as it was written."""

from __future__ import annotations

from pathlib import Path

import torch

from loadtest.peers.runner_result import RunnerResult, read_runner_result, write_runner_result


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    model = {"weight": torch.tensor([1.0, 2.0]), "batches": torch.tensor(3)}
    write_runner_result(RunnerResult((1.0, 3.0, 4.5), model, "2.13.0"), tmp_path / "result")
    result = read_runner_result(tmp_path / "result")
    assert result.rounds == (2.0, 1.5)
    assert result.torch == "2.13.0"
    assert result.first_model.keys() == model.keys()
    assert all(torch.equal(tensor, model[name]) for name, tensor in result.first_model.items())
