"""Equal identities have equal lists, and the changes between two lists are counted."""

from __future__ import annotations

from hashlib import sha256

import pytest

from fedface_learning.data.identity_list import IdentityChanges, identity_list

PEOPLE = ("Ann", "Bo", "Célia", "person-000003")


def test_a_list_has_a_sorted_line_for_each_identity_and_no_name() -> None:
    lines = identity_list(PEOPLE).decode("ascii").splitlines()
    assert lines == sorted(sha256(f"fedface identity list/{name}".encode()).hexdigest()[:16] for name in PEOPLE)
    assert not any(name in "".join(lines) for name in PEOPLE)


def test_the_order_of_the_identities_does_not_matter() -> None:
    assert identity_list(reversed(PEOPLE)) == identity_list(PEOPLE)


@pytest.mark.parametrize(
    ("after", "counts"),
    [
        (PEOPLE, "+0 −0"),
        ((*PEOPLE, "Di"), "+1 −0"),
        (PEOPLE[1:], "+0 −1"),
        ((*PEOPLE[1:], "Anne"), "+1 −1"),
        ((), "+0 −4"),
        (("Ed", "Flo"), "+2 −4"),
    ],
)
def test_people_that_came_and_went_are_counted(after: tuple[str, ...], counts: str) -> None:
    assert str(IdentityChanges.between(identity_list(PEOPLE), identity_list(after))) == counts
    assert (identity_list(after) == identity_list(PEOPLE)) is (counts == "+0 −0")
