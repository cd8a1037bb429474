"""What the tests of the laboratory share: a small plan, and a process that commands leave as it was."""

from __future__ import annotations

from support.process_state import restored_process_state
from support.small_plan_file import plan

__all__ = ["plan", "restored_process_state"]
