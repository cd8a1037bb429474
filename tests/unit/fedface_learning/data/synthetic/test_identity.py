"""Synthetic people: what a person may look like."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from fedface_learning.data.synthetic.identity import Person, draw_person


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [draw_person(0, index) for index in range(200)]


def test_a_person_follows_from_seed_and_index_alone(people: list[Person]) -> None:
    assert draw_person(0, 17) == people[17]
    assert draw_person(1, 17) != people[17]
    assert len({person.head_width for person in people}) == 200


def test_nobody_has_long_hair_and_a_beard(people: list[Person]) -> None:
    long_haired = [person for person in people if person.hair_length > 0]
    assert 0 < len(long_haired) < 200
    assert all(person.beard == person.moustache == person.bald == 0 for person in long_haired)


def test_a_full_beard_has_a_moustache(people: list[Person]) -> None:
    bearded = [person for person in people if person.beard > 0.5]
    assert bearded
    assert all(person.moustache == person.beard for person in bearded)


def test_colours_are_possible_and_brows_darker_than_hair(people: list[Person]) -> None:
    for person in people:
        for colour in (person.skin, person.hair, person.brows, person.iris, person.lips):
            assert all(0 <= part <= 1 for part in colour)
        assert sum(person.brows) < sum(person.hair)


def test_dark_skin_has_neither_fair_hair_nor_light_eyes() -> None:
    person = asdict(draw_person(0, 0)) | {"hair_tone": 1.0, "hair_grey": 0.0, "iris_tone": 0.0, "iris_hue": 0.0}
    fair = Person(**person | {"skin_tone": 0.0})
    dark = Person(**person | {"skin_tone": 1.0})
    assert sum(dark.skin) < sum(fair.skin)
    assert sum(dark.hair) < 0.5 * sum(fair.hair)
    assert fair.iris[2] > fair.iris[0]  # blue
    assert dark.iris[0] > dark.iris[2]  # brown
