"""The peak of a GPU's memory, by what torch says of it: here it is told to say so."""

from __future__ import annotations

import pytest
import torch

from loadtest.gpu.peak_memory import peak_memory


def test_it_is_what_was_allocated_at_once_beyond_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("synchronize"))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 300)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: calls.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 1000)
    with peak_memory("cuda") as peak:
        calls.append("work")
    assert peak.bytes == 700
    assert calls == ["synchronize", "reset", "work", "synchronize"]


def test_a_cpu_has_none() -> None:
    with peak_memory("cpu") as peak:
        pass
    assert peak.bytes is None
