"""What the client's worker loads before its processes are forked."""

from __future__ import annotations

import subprocess
import sys


def test_the_processes_of_a_client_worker_have_nothing_left_to_load_for_their_first_optimiser() -> None:
    look = "import sys, fedface_client.tasks, torch; before = set(sys.modules); "
    look += "weight = torch.nn.Parameter(torch.ones(1)); optimiser = torch.optim.SGD([weight], lr=0.1, momentum=0.9); "
    look += "torch.autograd.backward(weight.sum()); optimiser.step(); "
    look += "print([name for name in set(sys.modules) - before if name.startswith('torch._')])"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "[]\n"
