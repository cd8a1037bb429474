"""What all parts of a plan have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PlanPart(BaseModel):
    """A frozen part of a plan; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
