"""What the template protocols' files say, gathered: faces, people, and which face is in which template."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.faces import FaceFile
from fedface_learning.evaluation.templates import TemplateRows

_NAMED = 3


@dataclass
class Faces:
    """Every face that any file names, once."""

    places: dict[FaceFile, int] = field(default_factory=dict)

    def place(self, face: FaceFile) -> int:
        """Where the face stands in the list of those to embed."""
        return self.places.setdefault(face, len(self.places))


@dataclass
class Templates:
    """The templates of one split, as they are read. ``people`` is shared by splits, so that one person has one place."""

    people: dict[int, int]
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    place: dict[int, int] = field(default_factory=dict)
    person: dict[int, int] = field(default_factory=dict)

    def add(self, template: int, medium: int, face: int) -> None:
        """A face of a template."""
        self.rows.append((face, medium, self.place.setdefault(template, len(self.place))))

    def belongs(self, template: int, subject: int, path: Path, number: int) -> None:
        """Whose a template is. `InvalidInputError` where an earlier line says otherwise."""
        person = self.people.setdefault(subject, len(self.people))
        if self.person.setdefault(template, person) != person:
            raise InvalidInputError(
                f"{path}, line {number}: template {template} is of subject {subject}, but of another subject before"
            )

    def known(self, template: int, path: Path, number: int, source: Path) -> int:
        """A template's place. `InvalidInputError` where ``source``, which should have it, has not."""
        if template not in self.place:
            raise InvalidInputError(f"{path}, line {number}: there is no template {template} in {source}")
        return self.place[template]

    def table(self) -> TemplateRows:
        """The rows, for pooling."""
        face_M, medium_M, template_M = np.array(self.rows, dtype=np.intp).T
        return TemplateRows(face_M, medium_M, template_M, self.place)

    def person_of_each(self) -> npt.NDArray[np.intp] | None:
        """The person of each template (T,); None where some are of nobody known."""
        people = [self.person.get(template) for template in self.place]
        return None if None in people else np.array(people, dtype=np.intp)


def refuse_overlap(gallery: set[int], probes: set[int], path: Path) -> None:
    """A probe that is its own gallery entry would find itself."""
    both = sorted(gallery & probes)
    if both:
        first = ", ".join(str(template) for template in both[:_NAMED])
        more = f" and {len(both) - _NAMED} more" if len(both) > _NAMED else ""
        are = "template is" if len(both) == 1 else "templates are"
        raise InvalidInputError(f"{path}: {len(both)} {are} in the gallery and among the probes: {first}{more}")
