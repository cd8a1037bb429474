"""The machine is described from what the system says of it."""

from __future__ import annotations

from pathlib import Path

from loadtest.bench.machine import this_machine


def test_the_machine_is_described() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    total_kib = next(
        line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")
    )
    assert machine.memory_gib == round(int(total_kib) / 2**20, 1)
    assert machine.cpu
    assert "torch 2" in str(machine)
