"""The device of a simulated client. Whoever has the plan knows its secret: a simulation shows masks, and hides nothing."""

from __future__ import annotations

import hashlib

from fedface_core.secure_aggregation.derivation import statement
from fedface_core.secure_aggregation.device import Device


def simulated_device(seed: int, client: str) -> Device:
    """The device of a client in a run whose plan has this seed: the same one in every run, so that runs can be compared."""
    return Device(client, hashlib.sha256(statement("simulated device", seed, client)).digest())
