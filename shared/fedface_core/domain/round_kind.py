"""The two kinds of round. Both take the same path through the services; they differ in what clients upload."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

ENROLMENT_ROUND: Final = 0
"""The number of the round in which clients enrol. Training rounds follow, from 1 on."""


class RoundKind(StrEnum):
    """What a round asks of its clients."""

    ENROLMENT = "enrolment"
    """Each client uploads the mean embedding of its images, made with the initial model."""
    TRAINING = "training"
    """Each client of the cohort trains the global model on its images and uploads the result."""

    @classmethod
    def of(cls, number: int) -> RoundKind:
        """The kind of the round with this number: round 0 is enrolment, every later one is training."""
        return cls.ENROLMENT if number == ENROLMENT_ROUND else cls.TRAINING
