"""What the files of template protocols say: faces, people, and which face is in which template. T templates."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.faces import FaceFile
from fedface_learning.evaluation.templates import TemplateRows

_MOST_NAMED = 3  # templates that a message names


@dataclass
class Faces:
    """All faces that the files name, each once."""

    index: dict[FaceFile, int] = field(default_factory=dict)
    """Face → index in the list of faces to embed."""

    def add(self, face: FaceFile) -> int:
        """Add a face unless it was added before, and return its index."""
        return self.index.setdefault(face, len(self.index))


@dataclass
class Templates:
    """The templates of one split, filled while its files are read."""

    people: dict[int, int]
    """Subject number → index of the person. All splits share it, so that a person has one index."""
    members: list[tuple[int, int, int]] = field(default_factory=list)
    """Index of a face, number of its medium, and index of its template."""
    index: dict[int, int] = field(default_factory=dict)
    """Template number → index of the template."""
    person: dict[int, int] = field(default_factory=dict)
    """Template number → index of its person."""
    skip_missing: bool | None = None
    """Whether a template that is named and has no images fails to enrol, or is an error. None if only an error will do,
    because nothing else says whose template it is."""
    without_images: set[int] = field(default_factory=set)
    """The numbers of the templates that are named and have no images."""

    def add(self, template: int, medium: int, face: int) -> None:
        """Add a face, by its index, to a template, by its number."""
        self.members.append((face, medium, self.index.setdefault(template, len(self.index))))

    def set_subject(self, template: int, subject: int, path: Path, number: int) -> None:
        """Set the person of a template, as line ``number`` of ``path`` says.

        `InvalidInputError` if an earlier line names another person.
        """
        person = self.people.setdefault(subject, len(self.people))
        if self.person.setdefault(template, person) != person:
            raise InvalidInputError(
                f"{path}, line {number}: template {template} is of subject {subject}, but of another subject before"
            )

    def index_of(self, template: int, path: Path, number: int, source: Path) -> int:
        """The index of a template that line ``number`` of ``path`` names.

        If ``source``, which lists the images, lacks it, it is a template without images. `InvalidInputError` if those are
        not to be skipped.
        """
        if template not in self.index:
            if not self.skip_missing:
                raise self.unknown(template, path, number, source)
            self.without_images.add(template)
        return self.index.setdefault(template, len(self.index))

    def unknown(self, template: int, path: Path, number: int, source: Path) -> InvalidInputError:
        """The error for a template that line ``number`` of ``path`` names, and that ``source`` lacks."""
        advice = "; add its images, or count it as a failure to enrol" if self.skip_missing is False else ""
        return InvalidInputError(f"{path}, line {number}: there is no template {template} in {source}{advice}")

    def rows(self) -> TemplateRows:
        """The faces of all templates, as pooling needs them."""
        face_M, medium_M, template_M = np.array(self.members, dtype=np.intp).T
        return TemplateRows(face_M, medium_M, template_M, self.index)

    def person_of_each(self) -> npt.NDArray[np.intp] | None:
        """The person of each template (T,); None if the person of any template is unknown."""
        people = [self.person.get(template) for template in self.index]
        return None if None in people else np.array(people, dtype=np.intp)


def refuse_overlap(gallery: set[int], probes: set[int], path: Path) -> None:
    """`InvalidInputError` if a template is in the gallery and among the probes: such a probe would find itself."""
    both = sorted(gallery & probes)
    if both:
        first = ", ".join(str(template) for template in both[:_MOST_NAMED])
        more = f" and {len(both) - _MOST_NAMED} more" if len(both) > _MOST_NAMED else ""
        are = "template is" if len(both) == 1 else "templates are"
        raise InvalidInputError(f"{path}: {len(both)} {are} in the gallery and among the probes: {first}{more}")
