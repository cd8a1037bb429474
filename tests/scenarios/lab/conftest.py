"""Commands of the laboratory run in the process of the tests; what they change in it is restored."""

from __future__ import annotations

from support.process_state import restored_process_state

__all__ = ["restored_process_state"]
