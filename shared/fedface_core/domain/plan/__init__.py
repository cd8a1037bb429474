"""The plan of a run: one file for each part of the plan, and `plan.py` for the whole."""

from __future__ import annotations

from fedface_core.domain.plan.cohort import CohortPlan
from fedface_core.domain.plan.data import DataPlan, SplitPlan
from fedface_core.domain.plan.model import ModelPlan
from fedface_core.domain.plan.plan import Plan

__all__ = ["CohortPlan", "DataPlan", "ModelPlan", "Plan", "SplitPlan"]
