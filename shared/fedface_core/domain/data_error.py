"""What is wrong with a data set, said twice: to those who have the photographs, and to everybody else.

A data set's paths and labels are names of people. So an error about a data set has a message for the machine that has the
photographs, which names files, and a public reason, which everybody may read. The public reason is a sentence of the table
below with a few numbers, and nothing else.
"""

from __future__ import annotations

from enum import StrEnum

from fedface_core.domain.errors import InvalidInputError


class DataReason(StrEnum):
    """Why a data set cannot be used: a code, and a sentence without any name or path (`sentence`)."""

    UNUSABLE = "data-unusable"
    FOLDER_NOT_THERE = "folder-not-there"
    LABELS_NOT_THERE = "labels-not-there"
    DAMAGED_LIST_NOT_THERE = "damaged-list-not-there"
    LINK_LEADS_OUT = "link-leads-out"
    TREE_UNUSABLE = "folder-unusable"
    TOO_FEW_PHOTOGRAPHS = "too-few-photographs"
    LABELS_UNUSABLE = "labels-unusable"
    DAMAGED_LIST_UNUSABLE = "damaged-list-unusable"
    RECORDS_UNUSABLE = "records-unusable"
    PHOTOGRAPH_UNUSABLE = "photograph-unusable"
    READER_MISSING = "reader-missing"
    NO_SUCH_IDENTITY = "no-such-identity"
    TOO_FEW_IDENTITIES = "too-few-identities"
    CHANGED = "data-set-changed"
    RESOLUTION_TOO_HIGH = "resolution-too-high"

    @property
    def sentence(self) -> str:
        """What the code means and what to do, with ``{places}`` for numbers."""
        return _SENTENCES[self]


# One sentence for what is missing and for what is forbidden: the answers must not say what else the machine has.
_BELOW_ROOTS = "of this name below the worker's FEDFACE_PHOTOGRAPH_ROOTS (`fedface up --photographs DIR`)"
_SENTENCES = {
    DataReason.UNUSABLE: "the data set cannot be used",
    DataReason.FOLDER_NOT_THERE: f"data.folder: there is no folder of photographs {_BELOW_ROOTS}",
    DataReason.LABELS_NOT_THERE: f"data.labels: there is no list of labels {_BELOW_ROOTS}",
    DataReason.DAMAGED_LIST_NOT_THERE: f"data.skip_damaged: there is no list of damaged images {_BELOW_ROOTS}",
    DataReason.LINK_LEADS_OUT: "data.folder: a link in it leads out of the worker's FEDFACE_PHOTOGRAPH_ROOTS",
    DataReason.TREE_UNUSABLE: "data.folder: the tree cannot be listed, is too deep or too large, or has a name that is not "
    "in UTF-8",
    DataReason.TOO_FEW_PHOTOGRAPHS: "nobody in the data set has two photographs; it needs a folder for each person, or a "
    "label for each photograph",
    DataReason.LABELS_UNUSABLE: "data.labels: the list cannot be read, or does not fit the photographs",
    DataReason.DAMAGED_LIST_UNUSABLE: "data.skip_damaged: the list cannot be read, or is that of another data set",
    DataReason.RECORDS_UNUSABLE: "a record of the packed data set, or its index, cannot be used; `fedface data check` finds "
    "such images",
    DataReason.PHOTOGRAPH_UNUSABLE: "a photograph cannot be used; `fedface data check` finds such photographs",
    DataReason.READER_MISSING: "the worker lacks a package that the data set needs",
    DataReason.NO_SUCH_IDENTITY: "the data set has no such identity among its {identities}",
    DataReason.TOO_FEW_IDENTITIES: "split: {public} public + {clients} clients + {test} test + {validation} validation are "
    "{needed} identities, but the data set has {found}",
    DataReason.CHANGED: "the data set has changed since the run was prepared: +{added} −{removed} people; put it back as it "
    "was, or clone the run to learn from it as it is now",
    DataReason.RESOLUTION_TOO_HIGH: "low_resolution is {low_resolution}, but it must be below the height of the model's "
    "images, {height}: the images are reduced to so many rows",
}


class DataError(InvalidInputError):
    """A data set, or an image of it, cannot be used.

    The message may name files and people, so it is for the machine that has them: its screen and its log. ``public`` is what
    may leave that machine.
    """

    title = "Data set"

    def __init__(self, message: str = "", reason: DataReason = DataReason.UNUSABLE, **numbers: int | None) -> None:
        """``numbers`` are those that the reason's sentence has places for; None is a number that is not known.

        Without a message, the sentence is the message too: it says everything.
        """
        shown = {name: "?" if number is None else f"{number:d}" for name, number in numbers.items()}
        sentence = reason.sentence.format(**shown)
        super().__init__(message or sentence)
        self.reason = reason
        self.public = f"{sentence} (code {reason})"
        self._numbers = numbers

    def about(self, place: str) -> DataError:
        """The same error with ``place`` before its message, such as the field of the plan that led to it."""
        return DataError(f"{place}: {self}", self.reason, **self._numbers)
