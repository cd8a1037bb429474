"""An API that asks nobody to sign in, as on a developer's own machine: for tests of everything else."""

from __future__ import annotations

from fedface_control.auth.browsers import Hosts
from fedface_control.auth.limits import RequestLimits
from fedface_control.auth.sign_in import SignIn
from fedface_core.adapters.memory import MemoryApiKeys


def open_sign_in() -> SignIn:
    """Everybody may do everything. Starlette's test client calls the API ``testserver``."""
    return SignIn(open=True, keys=MemoryApiKeys(), hosts=Hosts(["testserver"]), limits=RequestLimits(requests=1, failures=1))
