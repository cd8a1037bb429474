"""A dead letter: a message that a worker has dropped, since it could not be read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.results import Counted

MOST_LETTERS: Final = 200
"""How many are kept. A new one takes the place of the oldest."""
LONGEST_BEGINNING: Final = 8192
"""Characters of a message that are kept."""

_Word = Annotated[str, Field(max_length=100)]


class DeadLetter(BaseModel):
    """What is kept of a message that was dropped. Nothing in it is to be believed: whoever wrote it is unknown."""

    model_config = ConfigDict(frozen=True)

    id: _Word = Field(description="Its id among the dead letters; it grows.")
    at: datetime = Field(description="When it was dropped.")
    queue: _Word = Field(description="The queue from which it was taken.")
    fault: _Word = Field(description="Why it was dropped, as a label of a metric, such as `not_json`.")
    reason: str = Field(max_length=1000, description="Why it was dropped, in words.")
    bytes: Counted = Field(description="The size of the message.")
    beginning: str = Field(max_length=LONGEST_BEGINNING, description="How the message begins.")
